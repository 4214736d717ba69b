import type { z } from 'zod'
import { type Dag, type DagOptions, dag } from '../../src/dag/dag.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { Scheduler } from '../../src/scheduler/scheduler.ts'
import { silent } from './runner.ts'

export type ScheduleOptions = Partial<
  Pick<
    DagOptions<z.ZodObject, z.ZodRawShape>,
    'description' | 'schedule' | 'every' | 'timezone' | 'startDate' | 'catchup' | 'maxActiveRuns'
  >
>

/** A dag of one task. */
export function scheduledDag(id: string, options: ScheduleOptions): Dag {
  return dag(id, options, ({ task }) => task('only', { run: () => {} }))
}

/** A clock that does not advance until it is set. */
export class SetClock {
  #now: number

  constructor(now: string) {
    this.#now = Date.parse(now)
  }

  now = (): Date => new Date(this.#now)

  set(now: string | number): void {
    this.#now = new Date(now).getTime()
  }
}

export function openScheduler(db: Metadata, clock: SetClock, dags: Iterable<Dag>): Scheduler {
  return new Scheduler({ db, clock, dags, log: silent })
}

/** The same tables, but `intercept` is called before and after each statement; it may throw. */
export function intercepted(db: Metadata, intercept: (name: string, isDone: boolean) => void): Metadata {
  const query = async (statement: { name?: string } | string, values?: unknown[]) => {
    const name = typeof statement === 'string' ? '' : (statement.name ?? '')
    intercept(name, false)
    const answer = await db.query(statement as string, values)
    intercept(name, true)
    return answer
  }
  return { ...db, query: query as Metadata['query'] }
}

/** Logical dates of a dag's runs, as `2026-03-05T10:00:00`, oldest first. */
export async function logicalDates(db: Metadata, dagId: string, runType = 'scheduled'): Promise<string[]> {
  const { rows } = await db.query<{ logical_date: Date }>(
    'select logical_date from metadata.dag_run where dag_id = $1 and run_type::text = $2 order by 1',
    [dagId, runType],
  )
  return rows.map(({ logical_date }) => logical_date.toISOString().slice(0, 19))
}

/** Marks the runs as ended, as if a runner had executed them. */
export async function endQueued(db: Metadata, state: 'success' | 'failed' = 'success'): Promise<void> {
  await db.query(
    `update metadata.dag_run set state = '${state}', ended_at = now() where state = 'queued' and job_id is null`,
  )
}
