import { commandFor } from '../command-for.ts'
import type { Check } from '../commands.ts'
import type { Dag } from '../dag/dag.ts'
import { humanDuration } from '../duration.ts'
import { messageOf } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { HANDED_OVER } from '../metadata/task-instances.ts'
import { engineProblem } from '../worker/engine-schema.ts'
import { type Executing, listWorkers, namesOf } from './alive.ts'
import { IS_STALE, ofEngine } from './clean-engine.ts'
import { listUnserved, type Unserved } from './not-served.ts'

/** A worker takes a try within milliseconds, unless all are busy. */
const STUCK_MS = 10 * 60_000
/** The number of job ids. Each write that starts a task uses one id. */
const MOST_IDS = 2 ** 31

/**
 * Checks graphile-worker's tables, the workers, and the tries that wait for them.
 *
 * @param schema of those tables
 * @param dags the dags of PIPELINES_DIR
 */
export async function checkEngine(db: Metadata, schema: string, dags: ReadonlyMap<string, Dag>): Promise<Check[]> {
  const name = 'engine'
  try {
    const problem = await engineProblem(db.pool, schema, db.schema)
    if (problem !== undefined) {
      const isOld = problem.code === 'engine_old'
      const message = isOld ? `${problem.message}; run ${commandFor('db migrate')}` : problem.message
      return [{ name, level: isOld || problem.isFatal ? 'fail' : 'warn', message }]
    }
    const workers = await listWorkers(db)
    const waiting = (await db.query<Waiting>(ofEngine(schema, WAITING))).rows
    return [
      await checkIds(db, schema),
      judgeWorkers(workers, waiting),
      ...(waiting.length === 0 ? [{ name: 'tries', level: 'ok' as const, message: 'no try waits for a worker' }] : []),
      ...waiting.map((dag) => judgeWaiting(dag, workers.length > 0)),
      ...(workers.length === 0 ? [] : judgeUnserved(await listUnserved(db, dags))),
    ]
  } catch (error) {
    return [{ name, level: 'fail', message: messageOf(error) }]
  }
}

async function checkIds(db: Metadata, schema: string): Promise<Check> {
  const { rows } = await db.query<{ used: number }>(ofEngine(schema, USED_IDS))
  const used = Math.floor((100 * (rows[0]?.used ?? 0)) / MOST_IDS)
  const name = 'engine'
  if (used < 50) return { name, level: 'ok', message: `schema "${schema}" is up to date` }
  const message = `schema "${schema}" has used ${used} % of its ids; run ${commandFor('db clean --older-than 30d')} before they run out`
  return { name, level: 'warn', message }
}

const USED_IDS = `
select coalesce(pg_sequence_last_value(pg_get_serial_sequence('ENGINE._private_tasks', 'id')), 0)::float8 as used`

function judgeWorkers(workers: readonly Executing[], waiting: readonly Waiting[]): Check {
  const name = 'workers'
  if (workers.length > 0)
    return { name, level: 'ok', message: `${namesOf(workers)} ${workers.length === 1 ? 'executes' : 'execute'} tasks` }
  const message = `no worker is alive; start one with ${commandFor('worker')}`
  return { name, level: waiting.length > 0 ? 'fail' : 'warn', message }
}

/** The tries of one dag that wait for a worker. */
interface Waiting {
  dag_id: string
  tries: number
  waiting_ms: number
  /** Whose job is missing. */
  lost: number
  /** Whose job is locked by a worker that has ended. */
  stale: number
  /** Whose job has failed, and with which error. */
  failed: number
  error: string | null
}

const WAITING = `
select r.dag_id, count(*)::int as tries, (extract(epoch from now() - min(t.queued_at)) * 1000)::float8 as waiting_ms,
  count(*) filter (where j.id is null)::int as lost, count(*) filter (where ${IS_STALE})::int as stale,
  count(*) filter (where j.last_error is not null)::int as failed, max(j.last_error) as error
from metadata.task_instance t join metadata.dag_run r using (dag_run_id)
left join ENGINE._private_jobs j on j.payload ->> 'dagRunId' = t.dag_run_id::text
  and j.payload ->> 'taskId' = t.task_id and j.payload ->> 'tryNumber' = t.try_number::text
where ${HANDED_OVER} group by r.dag_id order by r.dag_id`

function judgeWaiting(dag: Waiting, hasWorkers: boolean): Check {
  const { dag_id, tries, waiting_ms, lost, stale, failed, error } = dag
  const some = (count: number) => `${count} ${count === 1 ? 'try' : 'tries'} of ${dag_id}`
  const check = (level: Check['level'], message: string): Check => ({ name: 'tries', level, message })
  if (lost > 0) {
    const clear = commandFor(`tasks clear ${dag_id} RUN TASK`)
    return check(
      'fail',
      `${some(lost)} wait${lost === 1 ? 's' : ''} without a job, so no worker starts it; run ${clear}`,
    )
  }
  if (stale > 0)
    return check(
      'warn',
      `${some(stale)}: a worker that has ended locked the job; run ${commandFor('db clean --older-than 30d')}`,
    )
  if (failed > 0)
    return check('warn', `${some(failed)}: workers could not start it, and try again; the last error: ${error}`)
  const message = `${some(tries)} wait${tries === 1 ? 's' : ''} for a worker, for ${humanDuration(waiting_ms)}`
  if (!hasWorkers || waiting_ms < STUCK_MS) return check('ok', message)
  return check('warn', `${message}: all are busy, or none takes tries of this dag; see ${commandFor('jobs list')}`)
}

function judgeUnserved(unserved: readonly Unserved[]): Check[] {
  const counts = new Map<string, number>()
  for (const { message } of unserved) counts.set(message, (counts.get(message) ?? 0) + 1)
  return [...counts].map(([message, count]) => ({
    name: 'tries',
    level: 'fail',
    message: `${count === 1 ? '1 try waits' : `${count} tries wait`} in vain. ${message}`,
  }))
}
