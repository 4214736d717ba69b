import { commandFor } from '../command-for.ts'
import type { Dag } from '../dag/dag.ts'
import { graphHash } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { type Executing, listExecuting } from './alive.ts'

export interface Taker extends Executing {
  /** Hashes of the graphs it has loaded, by dag. Null: an older version, which does not record them. */
  dags: Readonly<Record<string, string>> | null
}

/** Processes that take up queued runs, with the dags each has loaded. */
export async function listTakers(db: Metadata): Promise<Taker[]> {
  const executing = await listExecuting(db)
  const { rows } = await db.query<Pick<Taker, 'job_id' | 'dags'>>(
    'select job_id, dags from metadata.job where job_id = any($1::bigint[])',
    [executing.map(({ job_id }) => job_id)],
  )
  const dagsOf = new Map(rows.map(({ job_id, dags }) => [job_id, dags]))
  return executing.map((one) => ({ ...one, dags: dagsOf.get(one.job_id) ?? null }))
}

export const NO_TAKER = `No process takes up runs now; it stays queued until one does: start one with ${commandFor('start')}`

/** Why a queued run of this dag is not taken up, or would fail, and what to do. Undefined where all is well. */
export async function whyNotTaken(db: Metadata, { id, graph }: Pick<Dag, 'id' | 'graph'>): Promise<string | undefined> {
  const takers = await listTakers(db)
  if (takers.length === 0) return NO_TAKER
  const having = takers.filter((one) => hasLoaded(one, id))
  if (having.length === 0)
    return `No running process has loaded dag '${id}'; it stays queued until one has: restart ${namesOf(takers)}, started before the dag was there or with another PIPELINES_DIR`
  const hash = graphHash(graph)
  if (having.some(({ dags }) => dags === null || dags[id] === hash)) return undefined
  return `${namesOf(having)} has loaded another version of dag '${id}', which may fail this run: restart it`
}

export function hasLoaded({ dags }: Pick<Taker, 'dags'>, dagId: string): boolean {
  return dags === null || Object.hasOwn(dags, dagId)
}

export function namesOf(takers: readonly Executing[]): string {
  return takers.map(({ kind, pid, hostname }) => `${kind} (process ${pid} on ${hostname})`).join(', ')
}
