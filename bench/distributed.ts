import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Logger, makeWorkerUtils } from 'graphile-worker'
import { Client } from 'pg'
import { type App, openApp, setUp } from '#src/app.ts'
import type { Dag } from '#src/dag/dag.ts'
import { median, report, timed, withServer } from './measure.ts'
import { openFloor } from './runner.ts'

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const ROUNDS = 5
const CHAINS = 150
const RUNS = 1_000
const SLOTS = 10
/** Slots of a worker whose tasks wait: few, so that the machine is not the limit. */
const WAITING_SLOTS = 4

/**
 * An owner and two workers compared with bare graphile-worker in two processes that execute jobs of the same kind, and
 * with the floor of `bench/runner.ts`. Then 1 to 8 workers with tasks that wait, and what a task costs Postgres.
 */
export async function bench(): Promise<void> {
  await withServer(async (connectionString) => {
    const env = {
      DATABASE_URL: connectionString,
      PIPELINES_DIR: path('worker-pipelines'),
      EXECUTOR: 'distributed',
      LOG_LEVEL: 'warn',
    }
    const setup = await setUp({ env })
    const app = await openApp(setup, 'scheduler')
    const dagOf = (id: string) => setup.loaded.dags.get(id) as Dag
    await compared(app, env, connectionString, dagOf)
    await growth(app, env, dagOf('waits'))
    await cost(app, env, connectionString, dagOf)
    await app.end('success')
    console.log(
      `      ${availableParallelism()} processors, load ${loadavg()
        .map((one) => one.toFixed(1))
        .join(' ')}`,
    )
  })
}

async function compared(app: App, env: Env, connectionString: string, dagOf: (id: string) => Dag) {
  const bare = await openBare(connectionString)
  const floor = await openFloor(connectionString)
  const workers = await startWorkers(2, { ...env, CONCURRENCY: String(SLOTS) })
  const [chain, wide] = [dagOf('chain'), dagOf('wide')]
  await Promise.all(Array.from({ length: 50 }, () => Promise.all([run(app, chain), bare.chain()])))
  const one = { ours: [] as number[], theirs: [] as number[] }
  for (let n = 0; n < CHAINS; n++) {
    one.theirs.push(await timed(bare.chain))
    one.ours.push(await timed(() => run(app, chain)))
  }
  compare('3-task run, trigger to done, median', median(one.ours), median(one.theirs), 1.5)
  const many = { ours: [] as number[], theirs: [] as number[], wide: [] as number[], floor: [] as number[] }
  const all = (work: () => Promise<unknown>) => timed(() => Promise.all(Array.from({ length: RUNS }, work)))
  for (let round = 0; round < ROUNDS; round++) {
    many.theirs.push(await all(bare.chain))
    many.ours.push(await all(() => run(app, chain)))
    many.floor.push(await timed(() => floor.spread(1_002, (connection) => floor.transition(connection))))
    many.wide.push(await timed(() => run(app, wide)))
  }
  const [ours, theirs] = [(RUNS * 1_000) / median(many.ours), (RUNS * 1_000) / median(many.theirs)]
  report(
    '1,000 3-task runs, 2 workers, runs a second',
    `${ours.toFixed(0)} / bare ${theirs.toFixed(0)}`,
    ours / theirs,
    0.8,
    'at least',
  )
  const [wideMs, floorMs] = [median(many.wide), median(many.floor)]
  report(
    'fan-out 1 → 1,000 → 1',
    `${wideMs.toFixed(0)} ms / floor ${floorMs.toFixed(0)} ms`,
    wideMs / floorMs,
    1.1,
    'at most',
  )
  await floor.close()
  await bare.close()
  await stop(workers)
}

function compare(what: string, ours: number, theirs: number, bar: number): void {
  report(what, `${ours.toFixed(2)} ms / bare ${theirs.toFixed(2)} ms`, ours / theirs, bar, 'at most')
}

/** Efficiency: the time that one worker took, divided by the number of workers and the time that they took. */
async function growth(app: App, env: Env, waits: Dag): Promise<void> {
  let alone = 0
  for (const count of [1, 2, 4, 8]) {
    const workers = await startWorkers(count, { ...env, CONCURRENCY: String(WAITING_SLOTS) })
    await run(app, waits)
    const times: number[] = []
    for (let round = 0; round < 3; round++) times.push(await timed(() => run(app, waits)))
    await stop(workers)
    const ms = median(times)
    if (count === 1) alone = ms
    const ideal = (waits.tasks.size * 50) / (WAITING_SLOTS * count)
    const figure = `${ms.toFixed(0)} ms / by the waits alone ${ideal.toFixed(0)} ms`
    report(
      `tasks of 50 ms, ${count} workers with ${WAITING_SLOTS} slots`,
      figure,
      alone / (count * ms),
      0.9,
      'at least',
    )
  }
}

/** What Postgres does for a task of a chain and of a fan-out. It is the limit that all workers share. */
async function cost(app: App, env: Env, connectionString: string, dagOf: (id: string) => Dag): Promise<void> {
  const workers = await startWorkers(2, { ...env, CONCURRENCY: String(SLOTS) })
  const client = new Client({ connectionString, application_name: 'bench cost' })
  await client.connect()
  for (const [id, runs] of [
    ['chain', 400],
    ['wide', 2],
  ] as const) {
    const dag = dagOf(id)
    await run(app, dag)
    const before = await usage(client)
    await Promise.all(Array.from({ length: runs }, () => run(app, dag)))
    const after = await usage(client)
    const tasks = runs * dag.tasks.size
    const each = (name: keyof Usage) => (after[name] - before[name]) / tasks
    console.log(
      `      ${id}: a task is ${each('commits').toFixed(1)} transactions, ${each('syncs').toFixed(2)} flushes, ` +
        `${each('walBytes').toFixed(0)} bytes of WAL, ${each('cpuMs').toFixed(2)} ms of CPU in Postgres`,
    )
  }
  await client.end()
  await stop(workers)
}

interface Usage {
  commits: number
  syncs: number
  walBytes: number
  /** Of all backends that are connected now. */
  cpuMs: number
}

async function usage(client: Client): Promise<Usage> {
  // Backends report their statistics after a pause of up to a second.
  await delay(1_500)
  const { rows } = await client.query<Omit<Usage, 'cpuMs'> & { pids: number[] }>(
    `select xact_commit::float8 as commits, wal_sync::float8 as syncs, wal_bytes::float8 as "walBytes",
       (select array_agg(pid) from pg_stat_activity where datname = current_database()) as pids
     from pg_stat_database, pg_stat_wal where datname = current_database()`,
  )
  const { pids = [], ...counted } = rows[0] ?? { commits: 0, syncs: 0, walBytes: 0 }
  return { ...counted, cpuMs: pids.reduce((sum, pid) => sum + cpuOf(pid), 0) }
}

const TICK_MS = 10

function cpuOf(pid: number): number {
  const [user = 0, system = 0] =
    readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ').slice(11, 13).map(Number) ?? []
  return (user + system) * TICK_MS
}

async function run({ runner }: App, dag: Dag): Promise<void> {
  await (await runner.run(dag, { logicalDate: new Date() })).finished
}

type Env = Record<string, string>

async function startWorkers(count: number, env: Env): Promise<ChildProcess[]> {
  return await Promise.all(
    Array.from({ length: count }, () =>
      start(['--import', 'tsx', path('../dist/src/cli/main.js'), 'worker'], { ...env, LOG_LEVEL: 'info' }),
    ),
  )
}

/** Resolves once it executes tasks. */
async function start(args: readonly string[], env: Env): Promise<ChildProcess> {
  const child = spawn(process.execPath, args, {
    cwd: path('..'),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a worker ended with ${code}`)))
    child.stdout?.on('data', (text) => String(text).includes('executing tasks') && resolve())
  })
  return child
}

async function stop(children: readonly ChildProcess[]): Promise<void> {
  const ended = children.map((child) => once(child, 'exit'))
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(ended)
}

/** Two processes of bare graphile-worker. A chain ends when its last job notifies. */
async function openBare(connectionString: string) {
  const utils = await makeWorkerUtils({ connectionString, schema: 'bare', logger: new Logger(() => () => {}) })
  await utils.migrate()
  const children = await Promise.all(
    [1, 2].map(() => start([path('bare-worker.mjs')], { DATABASE_URL: connectionString, CONCURRENCY: String(SLOTS) })),
  )
  const listener = new Client({ connectionString })
  await listener.connect()
  await listener.query('listen bare_done')
  const waiting = new Map<string, () => void>()
  listener.on('notification', ({ payload = '' }) => waiting.get(payload)?.())
  let last = 0
  const chain = async () => {
    const id = ++last
    const done = new Promise<void>((resolve) => waiting.set(String(id), resolve))
    await utils.addJob('step', { id, n: 0 })
    await done
    waiting.delete(String(id))
  }
  const close = async () => {
    await stop(children)
    await listener.end()
    await utils.release()
  }
  return { chain, close }
}
