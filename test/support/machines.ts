import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { EmbeddedServer } from '../../src/db/embedded/embedded.ts'
import { retryDuringOutage } from '../../src/db/outage.ts'
import { type Database, openPool } from '../../src/db/pool.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { type Ended, type Running, startCli, startScript } from './cli.ts'
import { EFFECT_TABLE } from './crash.ts'
import { type NetworkNamespace, openNamespace } from './network-namespace.ts'
import { percentile } from './scheduler-processes.ts'
import { removeFolder, scratchFolder, serverPid } from './scratch.ts'

export const MACHINE_PIPELINES = fileURLToPath(new URL('../fixtures/machine-pipelines', import.meta.url))

export type Verb = 'scheduler' | 'worker'

/** Exit code after SIGKILL. */
const KILLED = 137

/** A network namespace in which one process runs. */
export class Machine {
  readonly name: string
  readonly #verb: Verb
  readonly #network: NetworkNamespace
  readonly #url: string
  /** When its process was killed, and when its network was taken away and given back; ms. */
  readonly kills: { pid: number; at: number }[] = []
  readonly cuts: { pid: number; at: number; until: number }[] = []
  /** What a process said that ended by itself, and whether it had been at work. */
  readonly ownEnds: { wasAtWork: boolean; stderr: string }[] = []
  /** All its processes so far. */
  readonly processes: Running[] = []
  running: Running
  isCut = false
  #isStopping = false

  constructor(verb: Verb, network: NetworkNamespace, connectionString: string) {
    const url = new URL(connectionString)
    url.searchParams.delete('host')
    url.hostname = network.host
    this.name = `${verb} in ${network.name}`
    this.#verb = verb
    this.#network = network
    this.#url = url.href
    this.running = this.#start()
  }

  /** SIGKILL, and a new process. */
  async kill(): Promise<void> {
    this.kills.push({ pid: pidOf(this), at: Date.now() })
    this.running.process.kill('SIGKILL')
    await this.running.ended
    this.running = this.#start()
  }

  async cutOff(ms: number): Promise<void> {
    const [pid, at] = [pidOf(this), Date.now()]
    this.isCut = true
    this.#network.cut()
    await delay(ms)
    this.#network.mend()
    this.isCut = false
    this.cuts.push({ pid, at, until: Date.now() })
  }

  async stop(): Promise<Ended> {
    this.#isStopping = true
    this.running.process.kill('SIGTERM')
    return await this.running.ended
  }

  #start(): Running {
    // More slots than tries at any moment, so that a lost try does not wait for one.
    const env = { EXECUTOR: 'distributed', PIPELINES_DIR: MACHINE_PIPELINES, CONCURRENCY: '30', WEB_PORT: '0' }
    const running = startCli([this.#verb], { env: { ...env, DATABASE_URL: this.#url }, prefix: this.#network.prefix })
    this.processes.push(running)
    void running.ended.then((ended) => this.#endedItself(running, ended))
    return running
  }

  /** A process that finds no database at its start ends; whatever supervises it starts it again. */
  #endedItself(running: Running, { code, stdout, stderr }: Ended): void {
    if (this.#isStopping || code === KILLED) return
    const wasAtWork = stdout.includes('executing tasks') || stdout.includes('health at')
    this.ownEnds.push({ wasAtWork, stderr })
    if (running === this.running) this.running = this.#start()
  }
}

/** Machines with one database between them. Each process, and the database, is in a network namespace of its own. */
export interface Machines {
  pool: Database
  metadata: Metadata
  schedulers: Machine[]
  workers: Machine[]
  /** Like `pg_ctl restart -m immediate`: ends every session; the server recovers from its log at the next start. */
  restartDatabase(): Promise<void>
  close(): Promise<void>
}

export interface Networks {
  database: NetworkNamespace
  /** One for each process. */
  machines: readonly NetworkNamespace[]
}

/** A process in the namespace of the database. It starts the server, also when the server has died. */
const SERVER = `
  import { openEmbedded } from 'ROOT/src/db/embedded/embedded.ts'
  const settings = { listen_addresses: '*', max_connections: '300' }
  const { connectionString, folder } = await openEmbedded({ dataDir: process.env.DATA_DIR, create: true, settings })
  console.log(JSON.stringify({ connectionString, folder }))
  setInterval(() => {}, 1_000)`

/** @param verbs one for each network of a machine */
export async function openMachines({ database, machines }: Networks, verbs: readonly Verb[]): Promise<Machines> {
  const dataDir = await scratchFolder()
  const env = { DATA_DIR: dataDir }
  const server = startScript(SERVER, { env, prefix: database.prefix })
  while (!server.stdout().includes('\n')) {
    if (server.process.exitCode !== null) throw new Error((await server.ended).stderr)
    await delay(20)
  }
  const { connectionString, folder } = JSON.parse(server.stdout()) as Pick<
    EmbeddedServer,
    'connectionString' | 'folder'
  >
  // This process reaches the server by its socket in the file system, which all namespaces share.
  const pool = openPool(connectionString)
  await appendFile(join(folder, 'data', 'pg_hba.conf'), 'host all all samenet scram-sha-256\n')
  await pool.query('select pg_reload_conf()')
  await migrateMetadata(pool, 'metadata')
  await pool.query(EFFECT_TABLE)
  const all = verbs.map((verb, index) => {
    return { verb, machine: new Machine(verb, machines[index] as NetworkNamespace, connectionString) }
  })
  const of = (verb: Verb) => all.filter((one) => one.verb === verb).map(({ machine }) => machine)
  return {
    pool,
    metadata: openMetadata(pool, 'metadata'),
    schedulers: of('scheduler'),
    workers: of('worker'),
    restartDatabase: async () => {
      process.kill(serverPid(folder), 'SIGQUIT')
      await retryDuringOutage(() => pool.query('select 1'))
    },
    close: async () => {
      for (const { machine } of all) machine.running.process.kill('SIGKILL')
      await Promise.all(all.map(({ machine }) => machine.running.ended))
      await pool.end()
      server.process.kill('SIGKILL')
      await server.ended
      await removeFolder(dataDir)
    },
  }
}

const pidOf = ({ running }: Machine) => running.process.pid ?? 0

/** Waits until the processes of these machines are registered. */
export async function allAlive(db: Metadata, machines: readonly Machine[]): Promise<void> {
  const alive = `select from metadata.job where state = 'running' and pid = any($1) and backend_pid is not null`
  while ((await db.query(alive, [machines.map(pidOf)])).rowCount !== machines.length) await delay(50)
}

/** Waits until it executes a long task. */
export async function isBusy(db: Metadata, machine: Machine): Promise<void> {
  const busy = `select from metadata.task_instance t join metadata.job j using (job_id)
    where t.state = 'running' and t.task_id in ('long', 'isolated') and j.pid = $1`
  while ((await db.query(busy, [pidOf(machine)])).rowCount === 0) await delay(20)
}

/** Undefined if they cannot be made. */
export function openNetworks(count: number): (Networks & { remove(): void }) | undefined {
  const database = openNamespace(0)
  if (database === undefined) return undefined
  const made = Array.from({ length: count }, (_, index) => openNamespace(index + 1, database))
  const machines = made.filter((one) => one !== undefined)
  const remove = () => {
    for (const network of [...machines, database]) network.remove()
  }
  if (machines.length === count) return { database, machines, remove }
  remove()
  return undefined
}

export interface Lost {
  /** The time from `at` to the start of the next try. */
  ms: number
  /** The time from `at` to the record of the loss, ms. */
  lostAfterMs: number
  dagId: string
  runId: string
  taskId: string
  tryNumber: number
  reason: string
}

/**
 * Each try that this process lost from `at` on until `until`, and that ran at `at`. Without tasks in a pool, which also
 * wait for a slot.
 */
export async function secondTries(db: Metadata, lost: { pid: number; at: number; until: number }): Promise<Lost[]> {
  const { rows } = await db.query<Lost>(
    `select 1000 * extract(epoch from n.started_at - $2)::float8 as ms, r.dag_id as "dagId", r.run_id as "runId",
       h.task_id as "taskId", h.try_number as "tryNumber", h.reason,
       1000 * extract(epoch from h.ended_at - $2)::float8 as "lostAfterMs"
     from metadata.task_instance_history h join metadata.job j using (job_id) join metadata.dag_run r using (dag_run_id)
     join metadata.task_try n on n.dag_run_id = h.dag_run_id and n.task_id = h.task_id and n.try_number = h.try_number + 1
     where h.reason like 'lost:%' and j.pid = $1 and h.task_id not like 'pooled%'
       and h.started_at < $2 and h.ended_at between $2 and $3`,
    [lost.pid, new Date(lost.at), new Date(lost.until)],
  )
  return rows
}

export interface Latency {
  tries: number
  medianMs: number
  p95Ms: number
  mostMs: number
}

export function latencyOf(lost: readonly Lost[]): Latency {
  const sorted = lost.map(({ ms }) => ms).sort((a, b) => a - b)
  const [medianMs, p95Ms, mostMs] = [0.5, 0.95, 1].map((part) => Math.round(percentile(sorted, part)))
  return { tries: sorted.length, medianMs: medianMs ?? 0, p95Ms: p95Ms ?? 0, mostMs: mostMs ?? 0 }
}

/** The marks of each try that began more than once, or began after it had been recorded as ended. */
export async function repeatedTries(db: Metadata): Promise<(Pick<Lost, 'runId' | 'taskId'> & { marks: object[] })[]> {
  const { rows } = await db.query<Pick<Lost, 'runId' | 'taskId'> & { marks: object[] }>(
    `select r.run_id as "runId", e.task_id as "taskId", e.try_number as "tryNumber", t.state, t.reason, t.started_at,
       t.ended_at, t.job_id, json_agg(json_build_object('what', e.what, 'pid', e.pid, 'at', e.at) order by e.id) as marks
     from effect e join metadata.dag_run r using (dag_id, run_id)
     join metadata.task_try t on t.dag_run_id = r.dag_run_id and t.task_id = e.task_id and t.try_number = e.try_number
     group by r.run_id, e.task_id, e.try_number, t.state, t.reason, t.started_at, t.ended_at, t.job_id
     having count(*) filter (where e.what = 'begun') > 1
       or max(e.at) filter (where e.what = 'begun') > t.ended_at and t.reason not like 'lost:%'`,
  )
  return rows
}

const NEAR_MS = 5_000

/** The jobs of all processes, and what they logged of this task, or of no task within 5 s of its lines. */
export async function traceOf(db: Metadata, machines: readonly Machine[], task: { runId: string; taskId: string }) {
  const lines = machines.flatMap(({ name, processes }) =>
    processes.flatMap((one) => {
      const all = one.stdout().split('\n').filter(Boolean).map(parsed)
      return all.map((line): Record<string, unknown> => ({ machine: name, pid: one.process.pid, ...line }))
    }),
  )
  const own = lines.filter((line) => line.run_id === task.runId && line.task_id === task.taskId)
  const times = own.map(({ time }) => Date.parse(String(time)))
  const isNear = (at: number) => times.some((time) => Math.abs(time - at) < NEAR_MS)
  const shown = lines.filter(
    (line) => own.includes(line) || (!('run_id' in line) && isNear(Date.parse(String(line.time)))),
  )
  const jobs = await db.query(
    'select job_id, pid, kind, state, reason, started_at, ended_at from metadata.job order by 1',
  )
  const pids = new Set(shown.map(({ pid }) => pid))
  return [
    ...jobs.rows.filter(({ pid }) => pids.has(pid)),
    ...shown.sort((a, b) => (String(a.time) < String(b.time) ? -1 : 1)),
  ]
}

function parsed(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line)
  } catch {
    return { line }
  }
}

export interface Outcome {
  /** Runs whose end is not the one that their code has; without those of which a task was lost three times. */
  wrongEnds: number
  /** Successful tries in process whose mark is not of the process that reported it. */
  ofAnother: number
  slots: number
  reports: number
}

export async function judgeMachines(db: Metadata): Promise<Outcome> {
  const { rows } = await db.query<Outcome>(`select
    (select count(*)::int from metadata.dag_run r
      where (r.state = 'failed') <> (r.dag_id = 'failing') and not exists (
        select from metadata.task_instance t where t.dag_run_id = r.dag_run_id and t.state = 'failed' and t.lost >= 3)) as "wrongEnds",
    (select count(*)::int from metadata.task_instance t join metadata.job j using (job_id)
      join metadata.dag_run r using (dag_run_id)
      join effect e on e.dag_id = r.dag_id and e.run_id = r.run_id and e.task_id = t.task_id and e.try_number = t.try_number
      where t.state = 'success' and not t.isolated and e.what = 'done' and e.pid <> j.pid) as "ofAnother",
    (select count(*)::int from metadata.pool_slot) as slots,
    (select count(*)::int from metadata.task_report) as reports`)
  return rows[0] as Outcome
}
