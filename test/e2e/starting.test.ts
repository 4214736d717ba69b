import { createServer, connect as dial, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { printed, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/worker-pipelines', import.meta.url))
const READY = { scheduler: 'health at', worker: 'executing tasks' }

const database = useDatabase()

function start(verb: 'scheduler' | 'worker', connectionString = database.connectionString) {
  const env = { DATABASE_URL: connectionString, PIPELINES_DIR: PIPELINES, EXECUTOR: 'distributed' }
  const running = startCli([verb], { env })
  onTestFinished(async () => {
    running.process.kill('SIGKILL')
    await running.ended
  })
  const says = (text: string) => printed(running, () => running.stdout().includes(text))
  return { ...running, says, ready: () => says(READY[verb]) }
}

/** What Postgres answers while it starts. */
const STARTING = message('SFATAL', 'VFATAL', 'C57P03', 'Mthe database system is starting up')

function message(...fields: string[]): Buffer {
  const body = Buffer.from(`${fields.join('\0')}\0\0`)
  const head = Buffer.alloc(5, 'E')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** A server that answers like Postgres while it restarts: 57P03, then it breaks connections, then it is up. */
async function restartingServer(upAfter: number): Promise<string> {
  const url = new URL(database.connectionString)
  const path = `${url.searchParams.get('host')}/.s.PGSQL.${url.port}`
  let connections = 0
  const server: Server = createServer((client) => {
    client.on('error', () => {})
    connections++
    if (connections <= 2) return void client.once('data', () => client.end(STARTING))
    if (connections <= upAfter) return void client.destroy()
    const upstream = dial(path)
    upstream.on('error', () => client.destroy())
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  url.searchParams.delete('host')
  url.host = `127.0.0.1:${(server.address() as { port: number }).port}`
  return url.href
}

test.each(['scheduler', 'worker'] as const)(
  'a %s that starts while Postgres restarts waits, and says so once',
  async (verb) => {
    const { ready, stdout } = start(verb, await restartingServer(4))
    await ready()
    expect(
      stdout().match(/database is unreachable \(the database system is starting up\); trying again/g),
    ).toHaveLength(1)
  },
)

test.each(['scheduler', 'worker'] as const)(
  'a %s whose connections are ended during its start starts',
  async (verb) => {
    await migrateMetadata(database.pool, 'metadata')
    const { ready } = start(verb)
    let isReady = false
    const starting = ready().finally(() => {
      isReady = true
    })
    let ended = 0
    while (ended < 12 && !isReady) {
      const { rowCount } = await database.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
       and application_name like 'tminus%' and application_name <> 'tminus test' and pid <> pg_backend_pid()`,
      )
      ended += rowCount ?? 0
    }
    await starting
    console.log(`${ended} connections were ended during the start`)
    expect(ended).toBeGreaterThan(2)
  },
)

test('SIGTERM ends a worker that waits for a database that restarts', async () => {
  const { process, ended, says } = start('worker', await restartingServer(Number.POSITIVE_INFINITY))
  await says('trying again')
  process.kill('SIGTERM')
  expect((await ended).code).toBe(143)
})
