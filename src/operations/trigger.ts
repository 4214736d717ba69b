import type { Dag } from '../dag/dag.ts'
import { issueLines, UsageError } from '../errors.ts'
import { insertRuns, newDagRun, type Trigger } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { refuseMissingPools } from './pools.ts'

export interface Enqueued {
  runId: string
  /** False if the run exists already, and nothing was queued. */
  isNew: boolean
}

/**
 * Queues a run of a dag and notifies the processes that execute runs. The run has no owner until a process claims it.
 *
 * @param runId the id of the run, which also is an idempotency key: a second run of this id is not queued. Throws
 * UsageError for a wrong id. Default: a new id
 */
export async function enqueue(db: Metadata, dag: Dag, trigger: Trigger, runId?: string): Promise<Enqueued> {
  if (runId === undefined) return await enqueueRun(db, dag, trigger)
  checkRunId(runId)
  return await enqueueRun(db, dag, { ...trigger, runId })
}

/** As `enqueue`, for a run whose id no user chose. */
export async function enqueueRun(db: Metadata, dag: Dag, trigger: Trigger): Promise<Enqueued> {
  await refuseMissingPools(db, dag)
  const run = newDagRun(dag.id, await registerDag(db, dag), trigger)
  const queued = await insertRuns(db, null, [run])
  return { runId: run.runId, isNew: queued.length > 0 }
}

/** As in Airflow, only the scheduler and backfills use the ids of ticks. */
function checkRunId(runId: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.~:+-]{0,249}$/.test(runId))
    throw new UsageError(`'${runId}' is not a run id: use 1 to 250 letters, digits, '_', '.', '~', ':', '+' and '-'`)
  if (runId === 'latest' || /^(scheduled|backfill|triggered|after)__/.test(runId))
    throw new UsageError(`The run id '${runId}' is reserved; choose another one`)
}

/** Throws UsageError that names each wrong param. `what` names the params in its message. */
export function checkConf(dag: Dag, conf: Record<string, unknown>, what: string): void {
  refuseUnknown(dag, conf)
  const { error } = dag.params.safeParse(conf)
  if (error === undefined) return
  const issues = issueLines(error.issues, 'conf').join('; ')
  throw new UsageError(`${what} does not fit the params of '${dag.id}': ${issues}`)
}

/** Rejects unknown params, which zod would drop without an error. A dag with `z.looseObject` accepts unknown params. */
function refuseUnknown(dag: Dag, conf: Record<string, unknown>): void {
  if (dag.params.def.catchall !== undefined) return
  const known = Object.keys(dag.params.shape)
  const unknown = Object.keys(conf).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  throw new UsageError(`'${dag.id}' has no param ${unknown.join(', ')}; it has ${known.join(', ') || 'none'}`)
}
