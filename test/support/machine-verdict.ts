import type { Metadata } from '../../src/metadata/metadata.ts'
import type { Machine } from './machines.ts'
import { percentile } from './scheduler-processes.ts'

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

const WRONG_END = `(r.state = 'failed') <> (r.dag_id = 'failing') and not exists (
  select from metadata.task_instance t where t.dag_run_id = r.dag_run_id and t.state = 'failed' and t.lost >= 3)`

/** The runs that ended wrong, and why. */
export async function wrongEnds(db: Metadata): Promise<object[]> {
  const { rows } = await db.query(`select dag_id, run_id, state, reason from metadata.dag_run r where ${WRONG_END}`)
  return rows
}

export async function judgeMachines(db: Metadata): Promise<Outcome> {
  const { rows } = await db.query<Outcome>(`select
    (select count(*)::int from metadata.dag_run r where ${WRONG_END}) as "wrongEnds",
    (select count(*)::int from metadata.task_instance t join metadata.job j using (job_id)
      join metadata.dag_run r using (dag_run_id)
      join effect e on e.dag_id = r.dag_id and e.run_id = r.run_id and e.task_id = t.task_id and e.try_number = t.try_number
      where t.state = 'success' and not t.isolated and e.what = 'done' and e.pid <> j.pid) as "ofAnother",
    (select count(*)::int from metadata.pool_slot) as slots,
    (select count(*)::int from metadata.task_report) as reports`)
  return rows[0] as Outcome
}
