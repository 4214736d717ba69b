/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Metadata } from '../../metadata/metadata.ts'
import type { RunRow } from '../../operations/list-runs.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import type { FoundTask } from '../find.ts'
import { Duration, durationOf, Facts, Id, StateMark, Time, tookOf } from '../parts.tsx'
import { paths } from '../paths.ts'
import { readInstance, readSummary, runById } from '../queries/runs.ts'
import { RunName, typeName } from '../run-name.tsx'
import type { WebContext } from '../site.ts'
import { Stack } from '../stack.tsx'
import { number } from './pick.tsx'

export interface Chosen {
  run: RunRow
  /** Undefined: the run itself is chosen. */
  instance?: FoundTask['instance'] | undefined
  /** True if the reader chose nothing. */
  isDefault: boolean
}

/**
 * The run or task that the address names: `?at=17` or `?at=17/extract`.
 *
 * @param newest shown if the address names none, or one that does not exist
 */
export async function readChosen(
  db: Metadata,
  dagId: string,
  at = '',
  newest: RunRow | undefined,
): Promise<Chosen | undefined> {
  const [, id, taskId = ''] = /^(\d{1,15})(?:\/(.{1,300}))?$/.exec(at) ?? []
  const named = id === undefined ? undefined : await runById(db, Number(id))
  const found = named?.dag_id === dagId ? await readInstance(db, dagId, named.run_id, taskId) : undefined
  if (found !== undefined) return { ...found, isDefault: false }
  return newest && { run: newest, isDefault: true }
}

interface GridDetailsProps {
  c: WebContext
  at: Chosen
  /** Why the run waits. */
  waiting: string | null
  /** The page without the choice. */
  close: string
}

/** Beside the grid on a wide screen. On a narrow one at its lower edge, and only after a choice. */
export function GridDetails({ c, at, waiting, close }: GridDetailsProps) {
  return (
    <aside class={`card grid-details${at.isDefault ? ' is-default' : ''}`} aria-label="Details" id="details">
      {at.instance === undefined ? (
        <RunDetails c={c} run={at.run} waiting={waiting} />
      ) : (
        <TaskDetails c={c} {...at} instance={at.instance} />
      )}
      {!at.isDefault && (
        <a class="close" id="close-details" href={close}>
          Close
        </a>
      )}
    </aside>
  )
}

const MOST_FAILED = 5

async function RunDetails({ c, run, waiting }: { c: WebContext; run: RunRow; waiting: string | null }) {
  const { scrub, metadata } = c.var.site
  const { counts, failed } = await readSummary(metadata, run.id, MOST_FAILED)
  const own = paths.run(run.dag_id, run.run_id)
  return (
    <>
      <h2>
        <a href={own}>
          <RunName run={run} />
        </a>
      </h2>
      <p>
        <StateMark state={run.state} />
      </p>
      <Facts
        facts={[
          ['Type', typeName(run.run_type)],
          ['Start', run.start_date && <Time at={run.start_date} show="short" />],
          ['Duration', run.start_date && <Duration ms={durationOf(run.start_date, run.end_date)} />],
          ['Queued', run.start_date === null && <Time at={run.queued_at} show="short" />],
          ['Reason', (waiting ?? run.reason) && beginning(waiting ?? run.reason ?? '', SHOWN.listed, scrub)],
        ]}
      />
      <ul class="counts" aria-label="Tasks by state">
        {counts.map(({ state, count }) => (
          <li>
            <a href={`${own}?state=${state}`}>
              {number(count)} <StateMark state={state} />
            </a>
          </li>
        ))}
      </ul>
      {failed.map(({ task_id, state, reason }) => (
        <p class="cause">
          <StateMark state={state} />{' '}
          <a href={paths.task(run.dag_id, run.run_id, task_id)}>
            <Id id={task_id} />
          </a>
          {reason && <span class="sub">{beginning(reason, SHOWN.listed, scrub)}</span>}
        </p>
      ))}
      <p class="links">
        <a href={own}>Tasks</a> <a href={paths.run(run.dag_id, run.run_id, 'graph')}>Graph</a>{' '}
        <a href={paths.run(run.dag_id, run.run_id, 'gantt')}>Gantt</a>
      </p>
    </>
  )
}

interface TaskDetailsProps {
  c: WebContext
  run: RunRow
  instance: FoundTask['instance']
}

function TaskDetails({ c, run, instance }: TaskDetailsProps) {
  const { scrub } = c.var.site
  const { task_id, state, try_number, start_date, reason, error, error_bytes } = instance
  const own = paths.task(run.dag_id, run.run_id, task_id)
  return (
    <>
      <h2>
        <a href={own}>
          <Id id={task_id} />
        </a>
      </h2>
      <p>
        <StateMark state={state} />
      </p>
      <Facts
        facts={[
          [
            'Run',
            <a href={paths.run(run.dag_id, run.run_id)}>
              <RunName run={run} />
            </a>,
          ],
          ['Try', try_number > 0 && String(try_number)],
          ['Start', start_date && <Time at={start_date} show="short" />],
          ['Duration', tookOf(instance) !== null && <Duration ms={tookOf(instance)} />],
          ['Reason', reason && beginning(reason, SHOWN.listed, scrub)],
        ]}
      />
      {error && <Stack text={beginning(error, SHOWN.block, scrub, error_bytes ?? undefined)} />}
      <p class="links">
        <a href={own}>Log and tries</a>
      </p>
    </>
  )
}
