import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chown, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { inject } from 'vitest'
import { removeFolder, scratchFolder } from './scratch.ts'

/** Undefined if PgBouncer is not installed. */
export const PGBOUNCER = ['pgbouncer', '/usr/sbin/pgbouncer'].find((name) => !spawnSync(name, ['--version']).error)

export interface Pooler {
  /** The same database through the pooler. */
  through(connectionString: string): string
  close(): Promise<void>
}

export interface PoolerOptions {
  mode: 'session' | 'transaction'
  /** Connections to the server. */
  size?: number
  roundRobin?: boolean
}

/** A real PgBouncer with default settings in front of the test server. */
export async function openPooler({ mode, size = 30, roundRobin = false }: PoolerOptions): Promise<Pooler> {
  if (PGBOUNCER === undefined) throw new Error('PgBouncer is not installed')
  const server = new URL(inject('postgres'))
  const host = server.searchParams.get('host') ?? server.hostname
  const port = await freePort()
  const folder = await scratchFolder()
  const file = join(folder, 'pgbouncer.ini')
  await writeFile(
    file,
    `[databases]
* = host=${host} port=${server.port || 5432} user=${server.username} password='${server.password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = ${size}
max_client_conn = 200
server_round_robin = ${roundRobin ? 1 : 0}
`,
  )
  const child = await start(PGBOUNCER, folder, file, host)
  return {
    through: (connectionString) => {
      const url = new URL(connectionString)
      url.search = ''
      url.host = `127.0.0.1:${port}`
      return url.href
    },
    close: async () => {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      await removeFolder(folder)
    },
  }
}

/** Runs as the server's user if this process is root: PgBouncer refuses root, and the socket belongs to that user. */
async function start(program: string, folder: string, file: string, host: string): Promise<ChildProcess> {
  const { uid, gid } = await stat(host)
  const isRoot = process.getuid?.() === 0
  if (isRoot) for (const path of [folder, file]) await chown(path, uid, gid)
  const child = spawn(program, [file], { ...(isRoot && { uid, gid }), stdio: ['ignore', 'ignore', 'pipe'] })
  process.once('exit', () => child.kill('SIGKILL'))
  let said = ''
  await new Promise<void>((ready, failed) => {
    child.once('error', failed)
    child.once('exit', () => failed(new Error(`PgBouncer ended: ${said}`)))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('process up')) ready()
    })
  })
  return child
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as { port: number }
  await new Promise((closed) => server.close(closed))
  return port
}
