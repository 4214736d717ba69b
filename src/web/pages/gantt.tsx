/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { preciseDuration } from '../../duration.ts'
import type { InstanceRow, RunRow } from '../../operations/list-runs.ts'
import { findLiveRun } from '../find.ts'
import { elementsQuery, type Folded, foldUnlessPicked } from '../fold-elements.ts'
import { type Axis, axisOf, type Span, spansOf } from '../gantt-spans.ts'
import { groupBy } from '../group-by.ts'
import { Duration, Empty, Id, StateIcon, stateWords, Time, tookOf } from '../parts.tsx'
import { paths } from '../paths.ts'
import { readSpans } from '../queries/tasks.ts'
import type { WebEnv } from '../site.ts'
import { PickBar, PickPager, picked, pickOf } from './pick.tsx'
import { RunPage } from './run-head.tsx'

export const ganttPages = new Hono<WebEnv>()

ganttPages.get('/dags/:dag/runs/:run/gantt', async (c) => {
  const { mark, ...whole } = await findLiveRun(c)
  const { run, instances } = whole
  const pick = pickOf(c)
  const found = picked(foldUnlessPicked(instances, pick), pick, MOST_ROWS)
  const taskIds = found.shown.map(({ task_id }) => task_id)
  const tries = await readSpans(c.var.site.metadata, run.id, { taskIds, most: MOST_SPANS })
  return c.html(
    <RunPage c={c} run={run} tab="gantt" mark={mark}>
      <PickBar picked={found} />
      <Gantt run={run} instances={found.shown} spans={spansOf(whole, found.shown, tries)} />
      <PickPager picked={found} most={MOST_ROWS} />
    </RunPage>,
  )
})

const MOST_ROWS = 100
const MOST_SPANS = 1_000
const WIDE = 1000

interface GanttProps {
  run: RunRow
  instances: readonly Folded<InstanceRow>[]
  spans: readonly Span[]
}

/** Each task's tries and waits on the time axis of the run. */
function Gantt({ run, instances, spans }: GanttProps) {
  if (spans.length === 0) return <Empty title="No task has started yet">Each task appears here when it starts.</Empty>
  const axis = axisOf(spans, run.queued_at.getTime())
  const byTask = groupBy(spans, ({ taskId }) => taskId)
  return (
    <>
      <Legend />
      <section class="scroll" aria-label="Gantt" tabindex={0}>
        <table class="gantt">
          <thead>
            <tr>
              <th>
                from <Time at={new Date(axis.from)} show="clock" />
              </th>
              <th>
                <span class="hidden">Times</span>
                <TickLabels axis={axis} />
              </th>
              <th class="right">Waited</th>
              <th class="right">Took</th>
            </tr>
          </thead>
          <tbody>
            <QueueRow run={run} axis={axis} />
            {instances.map((one) => (
              <TaskRow run={run} instance={one} spans={byTask.get(one.task_id) ?? []} axis={axis} />
            ))}
          </tbody>
        </table>
      </section>
    </>
  )
}

function Legend() {
  return (
    <p class="sub gantt-legend">
      <span>
        <Key kind="wait" /> waits for a slot or worker
      </span>
      <span>
        <Key kind="retry_wait" /> waits for the next try
      </span>
    </p>
  )
}

function Key({ kind }: { kind: 'wait' | 'retry_wait' }) {
  return (
    <svg width="24" height="10" aria-hidden="true">
      <rect class={kind} y="2" width="24" height="6" />
    </svg>
  )
}

/** `10 s` at each tick, except where the text would leave the axis. */
function TickLabels({ axis: { from, to, ticks } }: { axis: Axis }) {
  return (
    <svg class="gantt-ticks" width="100%" height="16" aria-hidden="true">
      {ticks.map((tick) => {
        const percent = Math.round((tick / (to - from)) * 1_000) / 10
        if (percent > 96) return null
        return (
          <text x={`${percent}%`} y="12" text-anchor={percent < 3 ? 'start' : 'middle'}>
            {tick === 0 ? '0' : preciseDuration(tick)}
          </text>
        )
      })}
    </svg>
  )
}

/** The run itself, if it waited in the queue. */
function QueueRow({ run, axis }: { run: RunRow; axis: Axis }) {
  const [start, end] = [run.queued_at.getTime(), run.start_date?.getTime() ?? Date.now()]
  if (end - start < 20 || end <= axis.from) return null
  const span = { taskId: '', state: 'wait', title: 'the run waited in the queue', start, end } as const
  return (
    <tr>
      <th scope="row">
        <span class="muted">in the queue</span>
      </th>
      <td>
        <Bars spans={[span]} axis={axis} />
      </td>
      <td class="right">
        <Duration ms={end - start} />
      </td>
      <td />
    </tr>
  )
}

function TaskRow({
  run,
  instance,
  spans,
  axis,
}: {
  run: RunRow
  instance: Folded<InstanceRow>
  spans: readonly Span[]
  axis: Axis
}) {
  const { task_id, state, elements } = instance
  const waited = spans.reduce((ms, { state, start, end }) => ms + (state.endsWith('wait') ? end - start : 0), 0)
  return (
    <tr>
      <th scope="row">
        <a class={`gantt-task ${state}`} href={paths.task(run.dag_id, run.run_id, task_id)}>
          <StateIcon state={state} /> <Id id={task_id} />
        </a>
        {elements && ' '}
        {elements && (
          <a class="sub" href={elementsQuery(task_id)}>
            {elements}
          </a>
        )}
      </th>
      <td>
        <Bars spans={spans} axis={axis} />
      </td>
      <td class="right">{waited > 0 && <Duration ms={waited} />}</td>
      <td class="right">
        <Duration ms={tookOf(instance)} />
      </td>
    </tr>
  )
}

function Bars({ spans, axis: { from, to, ticks } }: { spans: readonly Span[]; axis: Axis }) {
  const place = (at: number) => Math.round((Math.max(0, at - from) / (to - from)) * WIDE * 10) / 10
  return (
    <svg
      class="gantt-bars"
      viewBox={`0 0 ${WIDE} 20`}
      width="100%"
      height="20"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path class="ticks" d={ticks.map((tick) => `M${place(from + tick)} 0v20`).join('')} />
      {spans.map(({ state, title, start, end }) => {
        const [y, height] = state.endsWith('wait') ? [7, 6] : [2, 16]
        const width = Math.max(3, Math.round((place(end) - place(start)) * 10) / 10)
        return (
          <rect class={state} x={place(start)} y={y} width={width} height={height}>
            <title>
              {state.endsWith('wait')
                ? `${title}, ${preciseDuration(end - start)}`
                : `${title}: ${stateWords(state)}, ${preciseDuration(end - start)}`}
            </title>
          </rect>
        )
      })}
    </svg>
  )
}
