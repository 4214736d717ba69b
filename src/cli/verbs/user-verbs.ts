import type { Command } from 'commander'
import { example } from '../example.ts'
import { outputOption } from '../output-option.ts'

export function addUsers(program: Command, done: (exitCode: number) => void): void {
  const users = program.command('users').description('create, list and delete users of the web page')
  users
    .command('create')
    .description('create a user; asks for the password, or reads it from standard input')
    .argument('<name>', 'name to sign in with')
    .option('--role <role>', 'viewer can look, operator can also run things, admin can do everything', 'viewer')
    .addHelpText('after', example('users create jane --role admin'))
    .action(async (name, options) => done(await (await import('./users.ts')).usersCreate(name, options)))
  users
    .command('list')
    .description('list the users')
    .addOption(outputOption())
    .addHelpText('after', example('users list'))
    .action(async (options) => done(await (await import('./users.ts')).usersList(options)))
  users
    .command('set-password')
    .description('change a password; ends all sessions of the user and revokes their calendar address')
    .argument('<name>', 'name of the user')
    .addHelpText('after', example('users set-password jane'))
    .action(async (name) => done(await (await import('./users.ts')).usersSetPassword(name)))
  users
    .command('delete')
    .description('delete a user and end all their sessions')
    .argument('<name>', 'name of the user')
    .addHelpText('after', example('users delete jane'))
    .action(async (name) => done(await (await import('./users.ts')).usersDelete(name)))
}
