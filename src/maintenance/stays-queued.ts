import { commandFor } from '../command-for.ts'
import type { Dag } from '../dag/dag.ts'
import { graphHash } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { type Executing, listExecuting, namesOf } from './alive.ts'

export interface ExecutingWithDags extends Executing {
  /** The hash of each loaded dag's graph, by dag id. Null if the process is of an older version, which records none. */
  dags: Readonly<Record<string, string>> | null
}

/** Processes that execute queued runs, with the dags that each has loaded. */
export async function listExecutingWithDags(db: Metadata): Promise<ExecutingWithDags[]> {
  const executing = await listExecuting(db)
  const { rows } = await db.query<Pick<ExecutingWithDags, 'job_id' | 'dags'>>(
    'select job_id, dags from metadata.job where job_id = any($1::bigint[])',
    [executing.map(({ job_id }) => job_id)],
  )
  const dagsOf = new Map(rows.map(({ job_id, dags }) => [job_id, dags]))
  return executing.map((one) => ({ ...one, dags: dagsOf.get(one.job_id) ?? null }))
}

export const NO_PROCESS = `No process is executing runs, so the run stays queued. Start one with ${commandFor('start')}`

/** Says why no process will execute a queued run of this dag, or why it may fail. Undefined if all is well. */
export async function whyStaysQueued(
  db: Metadata,
  { id, graph }: Pick<Dag, 'id' | 'graph'>,
): Promise<string | undefined> {
  const executing = await listExecutingWithDags(db)
  if (executing.length === 0) return NO_PROCESS
  const having = executing.filter((one) => hasLoaded(one, id))
  if (having.length === 0)
    return `No running process has loaded dag '${id}', so the run stays queued. Restart ${namesOf(executing)}: it started before the dag was added, or with another PIPELINES_DIR`
  const hash = graphHash(graph)
  if (having.some(({ dags }) => dags === null || dags[id] === hash)) return undefined
  return `${namesOf(having)} has loaded another version of dag '${id}', so this run may fail. Restart it`
}

export function hasLoaded({ dags }: Pick<ExecutingWithDags, 'dags'>, dagId: string): boolean {
  return dags === null || Object.hasOwn(dags, dagId)
}
