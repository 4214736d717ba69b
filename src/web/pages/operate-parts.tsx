/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import type { InstanceRow, RunRow } from '../../operations/list-runs.ts'
import { Page } from '../layout.tsx'
import { Empty, StateMark } from '../parts.tsx'
import { paths } from '../paths.ts'
import { RunName } from '../run-name.tsx'
import type { WebContext } from '../site.ts'
import { number } from './pick.tsx'

export function OperatePage({
  c,
  run,
  title,
  children,
}: {
  c: WebContext
  run: RunRow
  title: string
  children?: unknown
}) {
  return (
    <Page c={c} title={title}>
      <p class="crumbs">
        <a href="/dags">Pipelines</a> / <a href={paths.dag(run.dag_id)}>{run.dag_id}</a> /{' '}
        <a href={paths.run(run.dag_id, run.run_id)}>
          <RunName run={run} />
        </a>
      </p>
      <div class="narrow">
        <h1>{title}</h1>
        {children as never}
      </div>
    </Page>
  )
}

interface ChangedTasksProps {
  instances: readonly InstanceRow[]
  taskIds: readonly string[]
  what: string
}

const MOST_LISTED = 40

/** The tasks that an operation will change. */
export function ChangedTasks({ instances, taskIds, what }: ChangedTasksProps) {
  if (taskIds.length === 0) return <Empty title="No task would change" />
  const changed = new Set(taskIds)
  const listed: Pick<InstanceRow, 'task_id' | 'state'>[] = instances.filter(({ task_id }) => changed.delete(task_id))
  // A task of the current code that the run does not have yet.
  for (const task_id of changed) listed.push({ task_id, state: 'none' })
  return (
    <section class="card touched" aria-label="Tasks that change">
      <p>{`${number(taskIds.length)} of ${number(instances.length + changed.size)} tasks ${what}:`}</p>
      <ul>
        {listed.slice(0, MOST_LISTED).map(({ task_id, state }) => (
          <li>
            <span class="id">{task_id}</span> <StateMark state={state} />
          </li>
        ))}
      </ul>
      {listed.length > MOST_LISTED && <p class="sub below">and {number(listed.length - MOST_LISTED)} more</p>}
    </section>
  )
}

interface DecideProps {
  run: RunRow
  disabled?: boolean
  danger?: boolean
  /** The text of the link that changes nothing. */
  keep?: string
  children?: unknown
}

export function Decide({ run, disabled = false, danger = false, keep = 'Cancel', children }: DecideProps) {
  return (
    <p class="actions decide">
      <button type="submit" class={danger ? 'danger' : 'main'} disabled={disabled}>
        {children as never}
      </button>
      <a class="button" href={paths.run(run.dag_id, run.run_id)}>
        {keep}
      </a>
    </p>
  )
}
