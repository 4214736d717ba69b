import type { Command } from 'commander'
import { addVerb } from '../add-verb.ts'
import { outputOption } from '../output-option.ts'

export function addUsers(program: Command, done: (exitCode: number) => void): void {
  const users = program.command('users').description('create, list and delete users of the web page')
  addVerb(users, 'create', 'create a user; asks for the password, or reads it from standard input', 'jane --role admin')
    .argument('<name>', 'name to sign in with')
    .option('--role <role>', 'viewer can look, operator can also run things, admin can do everything', 'viewer')
    .action(async (name, options) => done(await (await import('./users.ts')).usersCreate(name, options)))
  addVerb(users, 'list', 'list the users')
    .addOption(outputOption())
    .action(async (options) => done(await (await import('./users.ts')).usersList(options)))
  addVerb(
    users,
    'set-password',
    'change a password; ends all sessions of the user and revokes their calendar address',
    'jane',
  )
    .argument('<name>', 'name of the user')
    .action(async (name) => done(await (await import('./users.ts')).usersSetPassword(name)))
  addVerb(users, 'delete', 'delete a user and end all their sessions', 'jane')
    .argument('<name>', 'name of the user')
    .action(async (name) => done(await (await import('./users.ts')).usersDelete(name)))
}
