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
  /** What the processes said that ended by themselves. */
  readonly ownEnds: string[] = []
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

  /** It has started: it executes tasks, or owns runs. */
  get isUp(): boolean {
    return /executing tasks|health at/.test(this.running.stdout())
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

  /** A process that starts while nothing listens at the address of the database ends, and is started again. */
  #endedItself(running: Running, { code, stderr }: Ended): void {
    if (this.#isStopping || code === KILLED) return
    this.ownEnds.push(stderr)
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
  const pool = openPool(connectionString, { applicationName: 'test' })
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

/** Waits until the processes of these machines have started and are registered. */
export async function allAlive(db: Metadata, machines: readonly Machine[]): Promise<void> {
  while ((await aliveOf(db, machines)).length < machines.length) await delay(50)
}

/** Waits until two of these have started and are registered; returns them. */
export async function severalAlive(db: Metadata, machines: () => readonly Machine[]): Promise<Machine[]> {
  for (;;) {
    const alive = await aliveOf(db, machines())
    if (alive.length > 1) return alive
    await delay(50)
  }
}

async function aliveOf(db: Metadata, machines: readonly Machine[]): Promise<Machine[]> {
  const alive = `select pid from metadata.job where state = 'running' and pid = any($1) and backend_pid is not null`
  const { rows } = await db.query<{ pid: number }>(alive, [machines.map(pidOf)])
  return machines.filter((machine) => machine.isUp && rows.some(({ pid }) => pid === pidOf(machine)))
}

/** Waits until one of these has just started a long task; returns it. */
export async function busyOne(db: Metadata, machines: readonly Machine[]): Promise<Machine> {
  const busy = `select j.pid from metadata.task_instance t join metadata.job j using (job_id)
    where t.state = 'running' and t.task_id = 'long' and t.started_at > now() - interval '500 ms'
      and j.backend_pid is not null`
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline) {
    const { rows } = await retryDuringOutage(() => db.query<{ pid: number }>(busy))
    const found = machines.find((machine) => rows.some(({ pid }) => pid === pidOf(machine)))
    if (found !== undefined) return found
    await delay(20)
  }
  throw new Error('no machine starts a long task')
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
