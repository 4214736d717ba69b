import type { DagRunState, RunType } from '../../dag/state.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { countUnfinished } from '../../operations/run-counts.ts'

export interface DagRow {
  dag_id: string
  is_paused: boolean
  /** The newest runs, newest first. */
  runs: {
    id: number
    run_id: string
    run_type: RunType
    state: DagRunState
    /** ISO 8601. */
    started_at: string | null
    ended_at: string | null
  }[]
  running: number
  queued: number
}

export interface DagsWanted {
  /** Ids in the pipelines folder. Dags that only the database knows are added. */
  loaded: readonly string[]
  /** Part of the id. */
  search: string
  /** Ids after this one. */
  after: string
  limit: number
  /** Newest runs per dag. */
  runs: number
}

/** A page of dags, ordered by id, each with its newest runs. */
export async function readDags(db: Metadata, { loaded, search, after, limit, runs }: DagsWanted): Promise<DagRow[]> {
  const { rows } = await db.query<Omit<DagRow, 'running' | 'queued'>>(
    `with ids as (
       select dag_id from (select unnest($1::text[]) as dag_id union select dag_id from metadata.dag) k
       where position(lower($2) in lower(dag_id)) > 0 and dag_id collate "C" > $3 order by dag_id collate "C" limit $4
     )
     select i.dag_id, coalesce(d.is_paused, false) as is_paused, coalesce(r.runs, '[]') as runs
     from ids i left join metadata.dag d using (dag_id)
     left join lateral (
       select json_agg(json_build_object('id', dag_run_id, 'run_id', run_id, 'run_type', run_type, 'state', state,
         'started_at', started_at, 'ended_at', ended_at)) as runs
       from (select * from metadata.dag_run n where n.dag_id = i.dag_id order by n.dag_run_id desc limit $5) newest
     ) r on true
     order by i.dag_id collate "C"`,
    [loaded, search, after, limit, runs],
  )
  const unfinished = new Map((await countUnfinished(db)).map((one) => [one.dag_id, one]))
  return rows.map((row) => {
    const { running = 0, queued = 0 } = unfinished.get(row.dag_id) ?? {}
    return { ...row, running, queued }
  })
}

/** The ids that contain this text, whatever its case. If the text is the id of a dag: only that id. */
export async function matchingDags(db: Metadata, loaded: readonly string[], search: string): Promise<string[]> {
  const { rows } = await db.query<{ dag_id: string }>(
    `select dag_id from (select unnest($1::text[]) as dag_id union select dag_id from metadata.dag) k
     where position(lower($2) in lower(dag_id)) > 0`,
    [loaded, search],
  )
  const ids = rows.map(({ dag_id }) => dag_id)
  return ids.includes(search) ? [search] : ids
}

export interface DagState {
  is_paused: boolean
  created_at: Date
  last_seen_at: Date
  versions: number
  import_error: string | null
}

/** A dag's row in the database; undefined if there is none. */
export async function readDag(db: Metadata, dagId: string): Promise<DagState | undefined> {
  const { rows } = await db.query<DagState>(
    `select is_paused, created_at, last_seen_at, import_error,
       (select count(*)::int from metadata.dag_version v where v.dag_id = d.dag_id) as versions
     from metadata.dag d where dag_id = $1`,
    [dagId],
  )
  return rows[0]
}
