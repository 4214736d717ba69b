import { randomUUID } from 'node:crypto'
import { CoalescedWork } from '../coalesced-work.ts'
import type { Dag } from '../dag/dag.ts'
import { isOutage, logFailures } from '../db/outage.ts'
import type { Logger } from '../log.ts'
import { insertRuns, newDagRun } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { type Sources, sourcesOf } from './after-words.ts'

const CHECK_EVERY_MS = 1_000

/** A run follows at most this many successes of each source. Older ones are over with it too. */
const MOST_COUNTED = 10_000

type Source = ReturnType<typeof sourcesOf>[number]

/** A dag with the option `after`, and the version of its graph; undefined until it is stored. */
interface Entry {
  dag: Dag
  after: Sources
  dagVersionId: number | undefined
}

/**
 * Queues a run of each dag whose `after` dags have succeeded. It follows from the stored rows alone, so no death of a
 * process loses a success. Several processes may check at once: the lock on the row of `dag_after` lets one of them start
 * the run, and the other one then sees that the successes are counted.
 */
export class After {
  readonly #db: Metadata
  readonly #log: Logger
  readonly #entries: readonly Entry[]
  /** The dags without `after`. They may have had it in an earlier version of their code. */
  #others: string[]
  readonly #failed: ReturnType<typeof logFailures>
  readonly #checking: CoalescedWork
  #timer: NodeJS.Timeout | undefined

  constructor({ db, log, dags }: { db: Metadata; log: Logger; dags: Iterable<Dag> }) {
    this.#db = db
    this.#log = log
    const all = [...dags]
    this.#entries = all.flatMap((dag) => (dag.after ? [{ dag, after: dag.after, dagVersionId: undefined }] : []))
    this.#others = all.filter(({ after }) => after === undefined).map(({ id }) => id)
    this.#failed = logFailures(log, 'the runs after other dags could not be queued; the next check tries again')
    this.#checking = new CoalescedWork(() => this.#check(), this.#failed)
  }

  start(): void {
    this.#checking.request()
    this.#timer = setInterval(() => this.#checking.request(), CHECK_EVERY_MS).unref()
  }

  /** Checks now; resolves when all due runs are queued. */
  check(): Promise<void> {
    return this.#checking.now()
  }

  /** Waits for the running check. No further check starts. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#checking.done()
  }

  async #check(): Promise<void> {
    if (this.#others.length > 0) await this.#db.query(FORGET, [this.#others])
    this.#others = []
    await this.#registerAll()
    const known = this.#entries.filter(({ dagVersionId }) => dagVersionId !== undefined)
    const found = known.length === 0 ? [] : await readSuccesses(this.#db, known, 1)
    for (const entry of known.filter((one) => isDue(one, found)))
      await this.#attempt(entry, () => this.#startRun(entry))
  }

  /** Stores the dags that are not stored: new ones, and those that a process with an older version of their code removed. */
  async #registerAll(): Promise<void> {
    if (this.#entries.length === 0) return
    const { rows } = await this.#db.query<{ dag_id: string }>('select dag_id from metadata.dag_after')
    const stored = new Set(rows.map(({ dag_id }) => dag_id))
    const missing = this.#entries.filter(({ dag, dagVersionId }) => dagVersionId === undefined || !stored.has(dag.id))
    await Promise.all(missing.map((entry) => this.#attempt(entry, () => this.#register(entry))))
  }

  /** A dag that fails does not delay the others. */
  async #attempt({ dag }: Entry, work: () => Promise<void>): Promise<void> {
    await work().catch((error: Error) => {
      if (isOutage(error)) throw error
      this.#failed(error, { dag_id: dag.id })
    })
  }

  /** Stores a dag and its sources. */
  async #register(entry: Entry): Promise<void> {
    const { dag, after } = entry
    const dagVersionId = await registerDag(this.#db, dag)
    await this.#db.query(REGISTER, [dag.id, JSON.stringify(after)])
    entry.dagVersionId = dagVersionId
  }

  /** Starts one run for all successes that no run was started after yet. */
  async #startRun(entry: Entry): Promise<void> {
    const { dag, dagVersionId = 0 } = entry
    const runId = await this.#db.transaction(async (tx) => {
      const [locked] = (await tx.query<{ horizon: string }>(LOCK, [dag.id])).rows
      if (locked === undefined) return undefined
      const found = await readSuccesses(tx, [entry], MOST_COUNTED)
      if (!isDue(entry, found)) return undefined
      const [queued] = await insertRuns(tx, null, [newDagRun(dag.id, dagVersionId, triggerOf(found))])
      if (queued === undefined) return undefined
      await tx.query(COUNT, [JSON.stringify(found), queued.dagRunId, dag.id, locked.horizon])
      return queued.runId
    })
    if (runId !== undefined) this.#log.info({ dag_id: dag.id, run_id: runId }, 'queued')
  }
}

function isDue({ dag: { id }, after }: Entry, found: readonly Success[]): boolean {
  const own = found.filter(({ dagId }) => dagId === id)
  const succeeded = ({ dag, task }: Source) => own.some((one) => one.sourceDag === dag && one.taskId === task)
  return 'any' in after ? after.any.some(succeeded) : after.all.every(succeeded)
}

/** The run gets the newest logical date, and a data interval that covers those of all runs that it follows. */
function triggerOf(found: readonly Success[]) {
  const logicalDate = new Date(Math.max(...found.map((one) => one.logicalDate.getTime())))
  const dataIntervalStart = new Date(Math.min(...found.map((one) => one.dataIntervalStart.getTime())))
  const runId = `after__${logicalDate.toISOString()}_${randomUUID().slice(0, 8)}`
  return { runType: 'asset_triggered' as const, logicalDate, dataIntervalStart, runId }
}

/** A success of a run, or of a task of it, that no run of the dag was started after yet. */
interface Success {
  dagId: string
  sourceDag: string
  /** Empty: the whole run. */
  taskId: string
  dagRunId: number
  /** As text, because a Date has no microseconds. */
  endedAt: string
  logicalDate: Date
  dataIntervalStart: Date
}

/**
 * Reads the successes that count for these dags. A paused dag has none, nor has one whose last such run is still queued.
 *
 * @param most for each source
 */
async function readSuccesses(db: Metadata, entries: readonly Entry[], most: number): Promise<Success[]> {
  const wanted = entries.flatMap(({ dag, after }) => sourcesOf(after).map((source) => ({ id: dag.id, ...source })))
  const values = [JSON.stringify(wanted), most]
  return (await db.query<Success>({ name: 'read_successes', text: READ_SUCCESSES, values })).rows
}

const OF_TASK = `from metadata.dag_run r join metadata.task_instance t on t.dag_run_id = r.dag_run_id
    and t.task_id = w.task and t.state = 'success' and t.ended_at >= f.floor`

/** Matches a success that the dag got no run for yet. */
function isNew(of: 'r' | 't'): string {
  return `not exists (select from metadata.dag_after_success c where c.dag_run_id = r.dag_run_id and c.dag_id = w.id
    and c.task_id = w.task and c.ended_at = ${of}.ended_at)`
}

/**
 * `floor`: a `since` in the future comes from a wrong clock. Three kinds of successes: of a run, of a task whose run has
 * ended, and of a task whose run has not. Each is read in the order of an index, because a limit without an order makes
 * the planner scan the whole table.
 */
const READ_SUCCESSES = `
select w.id as "dagId", w.dag as "sourceDag", w.task as "taskId", s.dag_run_id as "dagRunId",
  s.ended_at::text as "endedAt", s.logical_date as "logicalDate", s.data_interval_start as "dataIntervalStart"
from json_to_recordset($1::json) as w (id text, dag text, task text)
join metadata.dag_after a on a.dag_id = w.id join metadata.dag d on d.dag_id = w.id and not d.is_paused
cross join lateral (
  select case when a.since <= now() then a.since else now() - interval '1 hour' end as floor
) f
cross join lateral (
  (select r.dag_run_id, r.ended_at, r.logical_date, r.data_interval_start from metadata.dag_run r
   where w.task = '' and r.dag_id = w.dag and r.ended_at >= f.floor and r.state = 'success' and ${isNew('r')}
   order by r.ended_at desc limit $2)
  union all
  (select r.dag_run_id, t.ended_at, r.logical_date, r.data_interval_start ${OF_TASK}
   where w.task <> '' and r.dag_id = w.dag and r.ended_at >= f.floor and ${isNew('t')}
   order by r.ended_at desc limit $2)
  union all
  (select r.dag_run_id, t.ended_at, r.logical_date, r.data_interval_start ${OF_TASK}
   where w.task <> '' and r.dag_id = w.dag and r.state in ('queued', 'running') and ${isNew('t')}
   order by r.dag_run_id desc limit $2)
) s
where not exists (
  select from metadata.dag_run q where q.dag_id = w.id and q.state = 'queued' and starts_with(q.run_id, 'after__'))`

const FORGET = 'delete from metadata.dag_after where dag_id = any($1::text[])'

const REGISTER = `
insert into metadata.dag_after as a (dag_id, sources) values ($1, $2)
on conflict (dag_id) do update set sources = excluded.sources, since = now() where a.sources <> excluded.sources`

/**
 * The lock on `dag` lets no pause and no deletion of the dag come in between. `horizon`: every success that a later
 * statement does not see will have an `ended_at` from there on, because that is when its transaction began. Postgres may
 * hide the transactions of other database roles; they end within five minutes.
 */
const LOCK = `
select (select least(min(xact_start), case when bool_or(query = '<insufficient privilege>') then now() - interval '5 minutes' end)
  from pg_stat_activity where datname = current_database())::text as horizon
from metadata.dag_after a join metadata.dag d using (dag_id)
where dag_id = $1 and not d.is_paused for no key update of a, d skip locked`

/** Up to the horizon, all successes are counted now. So a check stays cheap when the history grows. */
const COUNT = `
with counted as (
  insert into metadata.dag_after_success (dag_run_id, dag_id, task_id, ended_at, started_run_id)
  select "dagRunId", $3, "taskId", "endedAt", $2
  from json_to_recordset($1::json) as f ("dagRunId" bigint, "taskId" text, "endedAt" timestamptz)
)
update metadata.dag_after set since = greatest(since, $4::timestamptz) where dag_id = $3`
