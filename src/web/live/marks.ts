import type { Metadata } from '../../metadata/metadata.ts'
import type { ReadMarks } from './live.ts'

/** The functions that read the marks, by the kind of the live data. */
export function markReaders(metadata: Metadata): Readonly<Record<string, ReadMarks>> {
  const marks =
    (text: string): ReadMarks =>
    async (keys) => {
      const { rows } = await metadata.query<{ key: string; mark: string }>(text, [keys])
      return new Map(rows.map(({ key, mark }) => [key, mark]))
    }
  return { dags: marks(DAGS_MARK), dag: marks(DAG_MARKS), run: marks(RUN_MARKS), log: marks(LOG_MARKS) }
}

/**
 * The list of all dags, under the key `all`: the newest run, the unfinished runs, and which dags are paused. It reads
 * the end of one index, the index of unfinished runs, and one row per dag. So its cost does not grow with the stored
 * runs.
 */
export const DAGS_MARK = `
select w.key, concat_ws('-',
  (select max(dag_run_id) from metadata.dag_run),
  (select concat(count(*), '-', sum(hashtextextended(concat(dag_run_id, state), 0))) from metadata.dag_run
   where state in ('queued', 'running')),
  (select concat(count(*), '-', sum(hashtext(dag_id)) filter (where is_paused)) from metadata.dag)) as mark
from unnest($1::text[]) w (key) where w.key = 'all'`

/** The mark of a dag, by `dag_id`: its newest runs, and the task instances of its unfinished runs. */
const DAG_MARKS = `
select w.key, md5(concat(
  (select is_paused from metadata.dag d where d.dag_id = w.key),
  (select string_agg(concat(r.dag_run_id, r.state, r.version, (
     select string_agg(concat(t.state, t.try_number), ',' order by t.task_id) from metadata.task_instance t
     where t.dag_run_id = r.dag_run_id and r.ended_at is null)), ';' order by r.dag_run_id desc)
   from (select * from metadata.dag_run n where n.dag_id = w.key order by n.dag_run_id desc limit 25) r))) as mark
from unnest($1::text[]) w (key)`

/** By `dag_run_id`. */
const RUN_MARKS = `
select r.dag_run_id::text as key, md5(concat(r.state, r.version, r.note, (
  select string_agg(concat(t.state, t.try_number, left(t.reason, 300)), ',' order by t.task_id) from metadata.task_instance t
  where t.dag_run_id = r.dag_run_id),
  (select count(*) from metadata.dag_after_success s where s.dag_run_id = r.dag_run_id))) as mark
from metadata.dag_run r
where r.dag_run_id in (select k::bigint from unnest($1::text[]) k where k ~ '^\\d{1,18}$')`

/** The mark of a log, by `dag_run_id/task_id/try_number`: the last log line, and the task's state and try. */
const LOG_MARKS = `
select w.key, concat(coalesce((
    select max(l.line) from metadata.task_log l
    where l.dag_run_id = w.run and l.task_id = w.task and l.try_number = w.try), 0),
  '-', t.state, '-', t.try_number) as mark
from (
  select k as key, split_part(k, '/', 1)::bigint as run, split_part(k, '/', 2) as task, split_part(k, '/', 3)::int as try
  from unnest($1::text[]) k where k ~ '^\\d{1,18}/[][A-Za-z0-9_.-]+/\\d{1,6}$') w
join metadata.task_instance t on t.dag_run_id = w.run and t.task_id = w.task`
