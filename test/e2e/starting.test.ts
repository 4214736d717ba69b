import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { migrateEngine } from '../../src/worker/engine-schema.ts'
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
/** What Postgres answers as `pg_terminate_backend` ends a session. */
const TERMINATED = message('SFATAL', 'VFATAL', 'C57P01', 'Mterminating connection due to administrator command')

function message(...fields: string[]): Buffer {
  const body = Buffer.from(`${fields.join('\0')}\0\0`)
  const head = Buffer.alloc(5, 'E')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** A server on a port of its own that gives each connection to `serve`, with the function that passes it to Postgres. */
async function frontServer(serve: (client: Socket, pass: () => Socket) => void): Promise<string> {
  const url = new URL(database.connectionString)
  const path = `${url.searchParams.get('host')}/.s.PGSQL.${url.port}`
  const server: Server = createServer((client) => {
    client.on('error', () => {})
    serve(client, () => {
      const upstream = dial(path)
      upstream.on('error', () => client.destroy())
      client.on('close', () => upstream.destroy())
      return upstream
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  url.searchParams.delete('host')
  url.host = `127.0.0.1:${(server.address() as { port: number }).port}`
  return url.href
}

/** A server that answers like Postgres while it restarts: 57P03, then it breaks connections, then it is up. */
async function restartingServer(upAfter: number): Promise<string> {
  let connections = 0
  return await frontServer((client, pass) => {
    connections++
    if (connections <= 2) return void client.once('data', () => client.end(STARTING))
    if (connections <= upAfter) return void client.destroy()
    client.pipe(pass()).pipe(client)
  })
}

/**
 * A server that ends the connection once at each statement, in one of two ways. The statement after that passes, because it
 * repeats a step. Once the process has a job, several steps use the same statements: then the connection ends once at each
 * statement after each other one. `broken`: where it ended.
 */
async function breakingServer(broken: Set<string>): Promise<string> {
  let [before, passes, hasJob] = ['', false, false]
  return await frontServer((client, pass) => {
    const upstream = pass()
    upstream.pipe(client)
    client.on('data', (chunk) => {
      const [text] = statementsIn(chunk)
      const place = hasJob ? `${before}; ${text}` : `${text}`
      hasJob ||= /^\s*insert into metadata.job /.test(text ?? '')
      before = text ?? before
      const isBroken = text !== undefined && !passes && !broken.has(place)
      if (text !== undefined) passes = isBroken
      if (!isBroken) return void upstream.write(chunk)
      broken.add(place)
      upstream.unpipe(client)
      if (broken.size % 2 === 0) client.destroy()
      else client.end(TERMINATED)
    })
  })
}

/** The texts of the messages Query and Parse. The message that opens a connection has no type, and begins with a zero. */
function statementsIn(chunk: Buffer): string[] {
  const texts: string[] = []
  for (let at = 0; at < chunk.length && chunk[at] !== 0; at += 1 + chunk.readInt32BE(at + 1)) {
    const [first = '', second = ''] = chunk.toString('utf8', at + 5, at + 1 + chunk.readInt32BE(at + 1)).split('\0')
    if (chunk[at] === 'Q'.charCodeAt(0)) texts.push(first)
    if (chunk[at] === 'P'.charCodeAt(0)) texts.push(second)
  }
  return texts
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
  'a %s whose connections end at each statement of its start starts',
  async (verb) => {
    await migrateMetadata(database.pool, 'metadata')
    await migrateEngine(database.pool, 'tminus_worker', 'metadata')
    const broken = new Set<string>()
    await start(verb, await breakingServer(broken)).ready()
    expect(broken.size).toBeGreaterThan(15)
    expect([...broken].join()).toContain('insert into metadata.job')
  },
)

test('SIGTERM ends a worker that waits for a database that restarts', async () => {
  const { process, ended, says } = start('worker', await restartingServer(Number.POSITIVE_INFINITY))
  await says('trying again')
  process.kill('SIGTERM')
  expect((await ended).code).toBe(143)
})
