import type { Command } from 'commander'
import { example } from '../example.ts'
import { outputOption } from '../output-option.ts'

/** Who may use the web page. */
export function addUsers(program: Command, done: (exitCode: number) => void): void {
  const users = program.command('users').description('who may use the web page')
  users
    .command('create')
    .description('make a user; the password is asked for, or read from standard input')
    .argument('<name>', 'to sign in with')
    .option('--role <role>', 'viewer looks, operator also runs things, admin does everything', 'viewer')
    .addHelpText('after', example('users create jane --role admin'))
    .action(async (name, options) => done(await (await import('./users.ts')).usersCreate(name, options)))
  users
    .command('list')
    .description('every user')
    .addOption(outputOption())
    .addHelpText('after', example('users list'))
    .action(async (options) => done(await (await import('./users.ts')).usersList(options)))
  users
    .command('set-password')
    .description('give a user another password, sign them out everywhere and withdraw their calendar address')
    .argument('<name>', 'of the user')
    .addHelpText('after', example('users set-password jane'))
    .action(async (name) => done(await (await import('./users.ts')).usersSetPassword(name)))
  users
    .command('delete')
    .description('remove a user, and sign them out everywhere')
    .argument('<name>', 'of the user')
    .addHelpText('after', example('users delete jane'))
    .action(async (name) => done(await (await import('./users.ts')).usersDelete(name)))
}
