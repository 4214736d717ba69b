import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type EmbeddedServer, openEmbedded } from '../../src/db/embedded/embedded.ts'
import { type Database, openPool } from '../../src/db/pool.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { type Ended, type Running, startCli } from './cli.ts'
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
  readonly #verb: Verb
  readonly #network: NetworkNamespace
  readonly #url: string
  /** When its process was killed, and when its network was taken away and given back; ms. */
  readonly kills: { pid: number; at: number }[] = []
  readonly cuts: { pid: number; at: number; until: number }[] = []
  /** What a process said that ended by itself, and whether it had been at work. */
  readonly ownEnds: { wasAtWork: boolean; stderr: string }[] = []
  running: Running
  isCut = false
  #isStopping = false

  constructor(verb: Verb, network: NetworkNamespace, connectionString: string) {
    const url = new URL(connectionString)
    url.searchParams.delete('host')
    url.hostname = network.host
    this.#verb = verb
    this.#network = network
    this.#url = url.href
    this.running = this.#start()
  }

  /** SIGKILL, and a new process. */
  async kill(): Promise<void> {
    this.kills.push({ pid: this.running.process.pid ?? 0, at: Date.now() })
    this.running.process.kill('SIGKILL')
    await this.running.ended
    this.running = this.#start()
  }

  async cutOff(ms: number): Promise<void> {
    const [pid, at] = [this.running.process.pid ?? 0, Date.now()]
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

/** Machines with one database between them, at an address of this machine in each of their networks. */
export interface Machines {
  pool: Database
  metadata: Metadata
  schedulers: Machine[]
  workers: Machine[]
  /** Like `pg_ctl restart -m immediate`: ends every session; the server recovers from its log at the next start. */
  restartDatabase(): Promise<void>
  close(): Promise<void>
}

/** @param networks one for each of the verbs */
export async function openMachines(networks: readonly NetworkNamespace[], verbs: readonly Verb[]): Promise<Machines> {
  const dataDir = await scratchFolder()
  const settings = { listen_addresses: networks.map(({ host }) => host).join(','), max_connections: '300' }
  const server: EmbeddedServer = await openEmbedded({ dataDir, create: true, settings })
  const pool = openPool(server.connectionString)
  await appendFile(join(server.folder, 'data', 'pg_hba.conf'), 'host all all samenet scram-sha-256\n')
  await pool.query('select pg_reload_conf()')
  await migrateMetadata(pool, 'metadata')
  await pool.query(EFFECT_TABLE)
  const all = verbs.map((verb, index) => {
    return { verb, machine: new Machine(verb, networks[index] as NetworkNamespace, server.connectionString) }
  })
  const of = (verb: Verb) => all.filter((one) => one.verb === verb).map(({ machine }) => machine)
  return {
    pool,
    metadata: openMetadata(pool, 'metadata'),
    schedulers: of('scheduler'),
    workers: of('worker'),
    restartDatabase: async () => {
      process.kill(serverPid(server.folder), 'SIGQUIT')
      const again = await openEmbedded({ dataDir, create: false, settings })
      await again.release({ leaveRunning: true })
    },
    close: async () => {
      for (const { machine } of all) machine.running.process.kill('SIGKILL')
      await Promise.all(all.map(({ machine }) => machine.running.ended))
      await pool.end()
      await server.release()
      await removeFolder(dataDir)
    },
  }
}

const pidOf = ({ running }: Machine) => running.process.pid

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
export function openNetworks(count: number): NetworkNamespace[] | undefined {
  const made = Array.from({ length: count }, (_, index) => openNamespace(index + 1))
  const networks = made.filter((one) => one !== undefined)
  if (networks.length === count) return networks
  for (const network of networks) network.remove()
  return undefined
}

/**
 * The time in ms from `at` to the start of the next try, for each try that this process lost from then on until `until`.
 * Without tasks in a pool, which also wait for a slot.
 */
export async function secondTries(db: Metadata, lost: { pid: number; at: number; until: number }): Promise<number[]> {
  const { rows } = await db.query<{ ms: number; lost_after: number; task_id: string; reason: string }>(
    `select 1000 * extract(epoch from n.started_at - $2)::float8 as ms, h.task_id, h.reason,
       1000 * extract(epoch from h.ended_at - $2)::float8 as lost_after
     from metadata.task_instance_history h join metadata.job j using (job_id)
     join metadata.task_try n on n.dag_run_id = h.dag_run_id and n.task_id = h.task_id and n.try_number = h.try_number + 1
     where h.reason like 'lost:%' and j.pid = $1 and h.task_id not like 'pooled%'
       and h.started_at < $2 and h.ended_at between $2 and $3`,
    [lost.pid, new Date(lost.at), new Date(lost.until)],
  )
  for (const row of rows) if (row.ms > 5_000) console.log(JSON.stringify(row))
  return rows.map(({ ms }) => ms)
}

export interface Latency {
  tries: number
  medianMs: number
  p95Ms: number
  mostMs: number
}

export function latencyOf(times: readonly number[]): Latency {
  const sorted = [...times].sort((a, b) => a - b)
  const [medianMs, p95Ms, mostMs] = [0.5, 0.95, 1].map((part) => Math.round(percentile(sorted, part)))
  return { tries: sorted.length, medianMs: medianMs ?? 0, p95Ms: p95Ms ?? 0, mostMs: mostMs ?? 0 }
}

/** All that is known of the tries that began more than once. */
export async function repeatedTries(db: Metadata): Promise<object[]> {
  const { rows } = await db.query(
    `select e.*, t.state, t.try_number as last_try, t.isolated, t.started_at, t.job_id, j.pid as job_pid, h.reason as lost
     from (select dag_id, run_id, task_id, try_number, json_agg(json_build_array(what, pid, at) order by id) as marks from effect
       group by 1, 2, 3, 4 having count(*) filter (where what = 'begun') > 1) e
     join metadata.dag_run r on r.dag_id = e.dag_id and r.run_id = e.run_id
     join metadata.task_instance t on t.dag_run_id = r.dag_run_id and t.task_id = e.task_id
     left join metadata.job j on j.job_id = t.job_id
     left join metadata.task_instance_history h on h.dag_run_id = r.dag_run_id and h.task_id = e.task_id and h.try_number = e.try_number`,
  )
  return rows
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
