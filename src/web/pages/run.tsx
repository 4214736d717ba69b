/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { isOver } from '../../dag/state.ts'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import { readLabels } from '../../operations/labels.ts'
import type { FollowedRun, InstanceRow, RunRow } from '../../operations/list-runs.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import { findLiveRun } from '../find.ts'
import { elementsQuery, type Folded, foldUnlessPicked } from '../fold-elements.ts'
import { Duration, durationOf, Empty, type Fact, Facts, Id, Notice, StateMark, Table, Time, tookOf } from '../parts.tsx'
import { paths } from '../paths.ts'
import { hasRole } from '../rights.ts'
import { RunName, typeName } from '../run-name.tsx'
import type { WebContext, WebEnv } from '../site.ts'
import { PickBar, type Picked, PickPager, picked, pickOf } from './pick.tsx'
import { RunPage } from './run-head.tsx'

export const runPages = new Hono<WebEnv>()

runPages.get('/dags/:dag/runs/:run', async (c) => {
  const { run, instances, children, after, followers, mark } = await findLiveRun(c)
  const reasonOf = await readWaiting(c.var.site.metadata, c.var.site.dags, [run])
  const waiting = reasonOf(run)
  const explained = instances.map((one) => ({ ...one, reason: reasonOf(run, one.task_id) ?? one.reason }))
  const pick = pickOf(c)
  const found = picked(foldUnlessPicked(explained, pick), pick, MOST_ROWS)
  const shownIds = found.shown.map(({ task_id }) => task_id)
  const labels = await readLabels(c.var.site.metadata, c.var.site.dags.get(run.dag_id), run.id, shownIds)
  return c.html(
    <RunPage c={c} run={run} tab="" mark={mark}>
      <div class="stack">
        {run.reason && (
          <Notice kind={run.state === 'failed' ? 'bad' : 'info'}>
            {beginning(run.reason, SHOWN.sentence, c.var.site.scrub)}
            <CauseLinks run={run} instances={instances} />
          </Notice>
        )}
        {waiting && <Notice>{waiting}</Notice>}
        {run.stop_reason && !isOver(run.state) && (
          <Notice kind="bad">
            Stopped: {beginning(run.stop_reason, SHOWN.sentence, c.var.site.scrub)}. The run ends after its teardowns.
            To end it now, cancel it again.
          </Notice>
        )}
        {run.note && (
          <section class="card" aria-label="Note">
            <h2 class="minor">Note</h2>
            <p class="note">{c.var.site.scrub(run.note)}</p>
          </section>
        )}
        <About c={c} run={run} />
        <Tasks c={c} run={run} found={found} labels={labels} />
        <Linked title="Started after the success of" found={after} />
        <Linked title="Runs that it started" found={children} />
        <Linked title="Runs that started after its success" found={followers} />
      </div>
    </RunPage>,
  )
})

const MOST_CAUSES = 3

/** The logs of the first tasks that failed. */
function CauseLinks({ run, instances }: { run: RunRow; instances: readonly InstanceRow[] }) {
  const failed = instances.filter(({ state, start_date }) => state === 'failed' && start_date !== null)
  return (
    <>
      {failed.slice(0, MOST_CAUSES).map(({ task_id }) => (
        <>
          {' · '}
          <a href={paths.task(run.dag_id, run.run_id, task_id)}>
            Log of <Id id={task_id} />
          </a>
        </>
      ))}
    </>
  )
}

/** Per page. */
const MOST_ROWS = 100

interface TasksProps {
  c: WebContext
  run: RunRow
  found: Picked<Folded<InstanceRow>>
  /** Of elements of mapped tasks. */
  labels: ReadonlyMap<string, string>
}

function Tasks({ c, run, found, labels }: TasksProps) {
  const operator = hasRole(c, 'operator') && c.var.site.dags.has(run.dag_id)
  if (run.state === 'queued' && found.total === 0)
    return <Empty title="No task has started yet">The tasks appear here when the run starts.</Empty>
  return (
    <section>
      <PickBar picked={found} />
      <Table
        name="Tasks"
        columns={[
          'Task',
          'State',
          { number: 'Try' },
          'Start',
          { number: 'Duration' },
          'Reason',
          ...(operator ? [{ hidden: 'Actions' }] : []),
        ]}
        brief
      >
        {found.shown.map((one) => (
          <tr>
            <th scope="row">
              <a class="id" href={paths.task(run.dag_id, run.run_id, one.task_id)}>
                <Id id={one.task_id} />
              </a>
              {labels.has(one.task_id) && <span class="sub"> {c.var.site.scrub(labels.get(one.task_id) ?? '')}</span>}
              {one.elements && ' '}
              {one.elements && (
                <a class="sub" href={elementsQuery(one.task_id)}>
                  {one.elements}
                </a>
              )}
            </th>
            <td class="fold-end">
              <StateMark state={one.state} />
            </td>
            <td class="right number" data-label="Try">
              {one.try_number || ''}
            </td>
            <td data-label="Start">
              <Time at={one.start_date} show="clock" />
            </td>
            <td class="right" data-label="Duration">
              <Duration ms={tookOf(one)} />
            </td>
            <td class="reason">
              {one.reason && beginning(one.reason, SHOWN.listed, c.var.site.scrub)}
              {one.due_at && (
                <>
                  {' '}
                  until <Time at={one.due_at} show="ago" />
                </>
              )}
            </td>
            {operator && (
              <td class="right">
                <TaskActions run={run} taskId={one.task_id} />
              </td>
            )}
          </tr>
        ))}
      </Table>
      <PickPager picked={found} most={MOST_ROWS} />
    </section>
  )
}

export function TaskActions({ run, taskId }: { run: RunRow; taskId: string }) {
  const query = new URLSearchParams({ task: taskId })
  return (
    <span class="actions nowrap">
      <a
        class="button small"
        href={`${paths.run(run.dag_id, run.run_id, 'clear')}?${query}&downstream=yes`}
        aria-label={`Clear ${taskId}`}
      >
        Clear
      </a>
      <a
        class="button small"
        href={`${paths.run(run.dag_id, run.run_id, 'mark')}?${query}`}
        aria-label={`Mark ${taskId}`}
      >
        Mark
      </a>
    </span>
  )
}

function Linked({ title, found }: { title: string; found: readonly FollowedRun[] }) {
  if (found.length === 0) return null
  const tasks = found.some(({ task_id }) => task_id !== null)
  return (
    <section class="stack">
      <h2 class="minor">{title}</h2>
      <Table name={title} columns={['Run', ...(tasks ? ['Task'] : []), 'State']} brief>
        {found.map((one) => (
          <tr>
            <th scope="row">
              <RunLink to={one} />
            </th>
            {tasks && (
              <td data-label="Task">
                {one.task_id === null ? <span class="nobreak">whole run</span> : <Id id={one.task_id} />}
              </td>
            )}
            <td class="fold-end">
              <StateMark state={one.state} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  )
}

function RunLink({ to }: { to: FollowedRun }) {
  return (
    <a class="id" href={paths.run(to.dag_id, to.run_id)}>
      <Id id={to.dag_id} /> <RunName run={to} />
    </a>
  )
}

/** Longer params are closed, so that the tasks stay in view. */
const MOST_OPEN_LINES = 8

function About({ c, run }: { c: WebContext; run: RunRow }) {
  const { data_interval_start: from, data_interval_end: to, conf, parent } = run
  const params = JSON.stringify(conf, null, 2)
  const lines = params.split('\n').length
  const facts: Fact[] = [
    ['Duration', run.start_date && <Duration ms={durationOf(run.start_date, run.end_date)} />],
    ['Start', run.start_date && <Time at={run.start_date} show="short" />],
    ['End', run.end_date && <Time at={run.end_date} show="short" />],
    ['Queued', <Time at={run.queued_at} show="short" />],
    ['Waited in the queue', <Duration ms={durationOf(run.queued_at, run.start_date)} />],
    ['Late since', run.late_at && <Time at={run.late_at} />],
    ['Run type', typeName(run.run_type)],
    ['Started by', parent && <RunLink to={parent} />],
    ['Run id', <span class="mono">{run.run_id}</span>],
    ['Logical date', <Time at={run.logical_date} show="short" />],
    [
      'Data interval',
      from.getTime() !== to.getTime() && (
        <>
          <Time at={from} show="short" /> to <Time at={to} show="short" />
        </>
      ),
    ],
  ]
  return (
    <section class="card stack">
      <Facts facts={facts} strip />
      {Object.keys(conf).length > 0 && (
        <details class="params" open={lines <= MOST_OPEN_LINES}>
          <summary>Params</summary>
          <pre tabindex={0}>{beginning(params, SHOWN.block, c.var.site.scrub, Buffer.byteLength(params))}</pre>
        </details>
      )}
    </section>
  )
}
