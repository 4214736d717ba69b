import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { UsageError } from '../../errors.ts'
import { checkNewName, checkUser, createUser, deleteUser, listUsers, setPassword } from '../../web/auth/users.ts'
import { ROLES, type Role } from '../../web/site.ts'
import { answer, instant, say, table } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `users create <name>`: asks for the password, or reads it from standard input. */
export async function usersCreate(name: string, { role }: { role: string }): Promise<number> {
  const known = ROLES.find((one) => one === role)
  if (known === undefined) throw new UsageError(`--role must be one of ${ROLES.join(', ')}`)
  await withMetadata(async (metadata) => {
    await checkNewName(metadata, name)
    await createUser(metadata, name, known satisfies Role, await readPassword())
  })
  say(`Created ${name}, ${role}. From now on the page asks for a password`)
  return 0
}

export async function usersSetPassword(name: string): Promise<number> {
  await withMetadata(async (metadata) => {
    await checkUser(metadata, name)
    await setPassword(metadata, name, await readPassword())
  })
  say(`The password of ${name} was changed; all sessions are ended and the calendar address is revoked`)
  return 0
}

export async function usersDelete(name: string): Promise<number> {
  const left = await withMetadata(async (metadata) => {
    await deleteUser(metadata, name)
    return (await listUsers(metadata)).length
  })
  say(`Deleted ${name}`)
  if (left === 0) say(NO_USERS)
  return 0
}

const NO_USERS = 'There are no users: on this machine everybody can use the page'

export async function usersList({ output }: ListOptions): Promise<number> {
  const users = await withMetadata((metadata) => listUsers(metadata))
  return answer(output, users, () =>
    table(
      ['user_name', 'role', 'created', 'seen'],
      users.map((user) => [user.user_name, user.role, instant(user.created_at), instant(user.seen_at)]),
      { empty: NO_USERS },
    ),
  )
}

/** No password is longer, so reading stops at this length. */
const LONGEST_INPUT = 10_000

/** Asks twice without echo on a terminal; otherwise reads the first line of standard input. */
async function readPassword(): Promise<string> {
  if (!process.stdin.isTTY) return await firstLine()
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  const ask = async (question: string) => {
    process.stderr.write(question)
    const answer = await terminal.question('')
    process.stderr.write('\n')
    return answer
  }
  try {
    const password = await ask('Password: ')
    if ((await ask('Repeat the password: ')) !== password)
      throw new UsageError('The two passwords differ; nothing was changed')
    return password
  } finally {
    terminal.close()
  }
}

async function firstLine(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk
    if (text.includes('\n') || text.length > LONGEST_INPUT) break
  }
  return text.split(/\r?\n/)[0] ?? ''
}
