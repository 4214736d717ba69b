import type { Metadata } from '../metadata/metadata.ts'

/** The unfinished runs of a dag. */
export interface Unfinished {
  dag_id: string
  running: number
  queued: number
  oldest_queued: Date | null
  /** How long the oldest queued run has waited; 0 if no run is queued. */
  waiting_ms: number
  /** Running runs whose owner is dead. */
  orphaned: number
  max_active_runs: number
}

/**
 * Counts the unfinished runs of each dag. Dags without such runs are omitted. Reads only the index of such runs. @param
 * dead ids of dead processes
 */
export async function countUnfinished(db: Metadata, dead: readonly number[] = []): Promise<Unfinished[]> {
  const { rows } = await db.query<Unfinished>(
    `select r.dag_id, d.max_active_runs, count(*) filter (where r.state = 'running')::int as running,
       count(*) filter (where r.state = 'queued')::int as queued,
       count(*) filter (where r.job_id = any($1::bigint[]))::int as orphaned,
       min(r.queued_at) filter (where r.state = 'queued') as oldest_queued,
       coalesce(extract(epoch from now() - min(r.queued_at) filter (where r.state = 'queued')) * 1000, 0)::float8 as waiting_ms
     from metadata.dag_run r join metadata.dag d using (dag_id)
     where r.state in ('queued', 'running') group by r.dag_id, d.max_active_runs order by r.dag_id`,
    [dead],
  )
  return rows
}

/** The counts of all dags together. */
export function totals(unfinished: readonly Unfinished[]): { running: number; queued: number } {
  const sum = (of: (dag: Unfinished) => number) => unfinished.reduce((total, dag) => total + of(dag), 0)
  return { running: sum(({ running }) => running), queued: sum(({ queued }) => queued) }
}

/** `2 running, 1 queued`; omits a count of 0. */
export function countsInWords({ running, queued }: { running: number; queued: number }): string {
  return [running > 0 && `${running} running`, queued > 0 && `${queued} queued`].filter(Boolean).join(', ')
}

/** Dags that have runs but whose code is not loaded. @param loaded ids of the loaded dags */
export async function listStoredDags(
  db: Metadata,
  loaded: readonly string[],
): Promise<{ dag_id: string; unfinished: Unfinished | undefined }[]> {
  const { rows } = await db.query<{ dag_id: string }>(
    `select d.dag_id from metadata.dag d
     where d.dag_id <> all($1::text[]) and exists (select from metadata.dag_run r where r.dag_id = d.dag_id)
     order by d.dag_id`,
    [loaded],
  )
  const unfinished = new Map((await countUnfinished(db)).map((one) => [one.dag_id, one]))
  return rows.map(({ dag_id }) => ({ dag_id, unfinished: unfinished.get(dag_id) }))
}

/** The number of a dag's stored runs; undefined for a dag that is not stored. */
export async function countRuns(db: Metadata, dagId: string): Promise<number | undefined> {
  const { rows } = await db.query<{ runs: number }>(
    `select (select count(*)::int from metadata.dag_run r where r.dag_id = d.dag_id) as runs
     from metadata.dag d where d.dag_id = $1`,
    [dagId],
  )
  return rows[0]?.runs
}
