import type { Metadata } from '../metadata/metadata.ts'

/** A dag in the database, with the counts of its unfinished runs. */
export interface StoredDag {
  dag_id: string
  queued: number
  running: number
}

/** Dags that have runs but whose code is not loaded. @param loaded ids of the loaded dags */
export async function listStoredDags(db: Metadata, loaded: readonly string[]): Promise<StoredDag[]> {
  const { rows } = await db.query<StoredDag>(
    `select d.dag_id,
       (select count(*)::int from metadata.dag_run r where r.dag_id = d.dag_id and r.state = 'queued') as queued,
       (select count(*)::int from metadata.dag_run r where r.dag_id = d.dag_id and r.state = 'running') as running
     from metadata.dag d
     where d.dag_id <> all($1::text[]) and exists (select from metadata.dag_run r where r.dag_id = d.dag_id)
     order by d.dag_id`,
    [loaded],
  )
  return rows
}
