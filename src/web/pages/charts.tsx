/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { raw } from 'hono/html'
import { humanDuration } from '../../duration.ts'
import type { InstanceRow, RunRow } from '../../operations/list-runs.ts'
import { findDag, findLiveRun } from '../find.ts'
import { elementsQuery, type Folded, foldUnlessPicked } from '../fold-elements.ts'
import { Duration, durationOf, Empty, StateIcon, Time } from '../parts.tsx'
import { paths } from '../paths.ts'
import { type DurationRow, readDurations, readSpans, readTaskIds, type TrySpan } from '../queries/tasks.ts'
import type { WebEnv } from '../site.ts'
import { DagPage } from './dag-head.tsx'
import { PickBar, PickPager, picked, pickOf } from './pick.tsx'
import { svgBar } from './run-bars.tsx'
import { RunPage } from './run-head.tsx'

export const chartPages = new Hono<WebEnv>()

chartPages.get('/dags/:dag/runs/:run/gantt', async (c) => {
  const { run, instances, mark } = await findLiveRun(c)
  const pick = pickOf(c)
  const found = picked(foldUnlessPicked(instances, pick), pick, MOST_ROWS)
  const taskIds = found.shown.map(({ task_id }) => task_id)
  const tries = await readSpans(c.var.site.metadata, run.id, { taskIds, most: MOST_SPANS })
  return c.html(
    <RunPage c={c} run={run} tab="gantt" mark={mark}>
      <PickBar picked={found} />
      <Gantt run={run} instances={found.shown} tries={tries} />
      <PickPager picked={found} most={MOST_ROWS} />
    </RunPage>,
  )
})

const MOST_ROWS = 100
const MOST_SPANS = 1_000
const WIDE = 1000

/** Each task's tries on the time axis of the run. */
function Gantt({
  run,
  instances,
  tries,
}: {
  run: RunRow
  instances: readonly Folded<InstanceRow>[]
  tries: readonly TrySpan[]
}) {
  const spans = spansOf(instances, tries)
  const byTask = groupBy(spans, ({ taskId }) => taskId)
  const from = Math.min(...spans.map(({ start }) => start))
  const to = Math.max(...spans.map(({ end }) => end), from + 1)
  if (spans.length === 0) return <Empty title="No task has started yet">Each task appears here when it starts.</Empty>
  return (
    <section class="scroll" aria-label="Gantt">
      <table class="gantt">
        <thead>
          <tr>
            <th>Task</th>
            <th>
              <span class="axis">
                <Time at={new Date(from)} show="clock" />
                <Duration ms={to - from} />
                <Time at={new Date(to)} show="clock" />
              </span>
            </th>
            <th class="right">Took</th>
          </tr>
        </thead>
        <tbody>
          {instances.map((instance) => (
            <tr>
              <th scope="row">
                <a class={`gantt-task ${instance.state}`} href={paths.task(run.dag_id, run.run_id, instance.task_id)}>
                  <StateIcon state={instance.state} /> {instance.task_id}
                </a>
                {instance.elements && ' '}
                {instance.elements && (
                  <a class="sub" href={elementsQuery(instance.task_id)}>
                    {instance.elements}
                  </a>
                )}
              </th>
              <td>
                <Bars spans={byTask.get(instance.task_id) ?? []} from={from} to={to} />
              </td>
              <td class="right">
                <Duration ms={durationOf(instance.start_date, instance.end_date)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

interface Span {
  taskId: string
  state: string
  title: string
  start: number
  end: number
}

/** The tries. A mapped task has one span, from the start of its first element to the end of its last one. */
function spansOf(instances: readonly Folded<InstanceRow>[], tries: readonly TrySpan[]): Span[] {
  const ended = tries.map(({ task_id, state, try_number, start_date, end_date }) => {
    const title = `try ${try_number}`
    return { taskId: task_id, state, title, start: start_date.getTime(), end: end_date.getTime() }
  })
  const running = instances.flatMap(({ task_id, state, try_number, start_date, end_date, elements }) => {
    if (start_date === null || (state !== 'running' && elements === undefined)) return []
    const end = end_date?.getTime() ?? Date.now()
    return { taskId: task_id, state, title: elements ?? `try ${try_number}`, start: start_date.getTime(), end }
  })
  return [...ended, ...running]
}

function Bars({ spans, from, to }: { spans: readonly Span[]; from: number; to: number }) {
  const place = (at: number) => Math.round(((at - from) / (to - from)) * WIDE * 10) / 10
  return (
    <svg
      class="gantt-bars"
      viewBox={`0 0 ${WIDE} 20`}
      width="100%"
      height="20"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {spans.map(({ state, title, start, end }) => (
        <rect class={state} x={place(start)} y="2" width={Math.max(3, place(end) - place(start))} height="16">
          <title>{`${title}: ${state}, ${humanDuration(end - start)}`}</title>
        </rect>
      ))}
    </svg>
  )
}

/** Runs in the chart. */
const RUNS = 50
const MOST_CHARTS = 20
const MOST_KNOWN = 1_000

chartPages.get('/dags/:dag/durations', async (c) => {
  const found = await findDag(c)
  const { metadata } = c.var.site
  const known = found.dag?.graph.taskIds ?? (await readTaskIds(metadata, found.dagId, MOST_KNOWN))
  const shown = picked(
    known.map((task_id) => ({ task_id })),
    pickOf(c),
    MOST_CHARTS,
  )
  const taskIds = shown.shown.map(({ task_id }) => task_id)
  const rows = await readDurations(metadata, found.dagId, { runs: RUNS, taskIds })
  const byTask = groupBy(rows, ({ task_id }) => task_id)
  return c.html(
    <DagPage c={c} found={found} tab="durations">
      <PickBar picked={shown} />
      {rows.length === 0 ? (
        <Empty title="No task has ended yet">Press Trigger. After the first run, each task has a chart here.</Empty>
      ) : (
        <section aria-labelledby="durations-title">
          <h2 id="durations-title">How long each task took in the last {RUNS} runs</h2>
          <div class="durations">
            {taskIds.map((taskId) => (
              <TaskDurations taskId={taskId} rows={byTask.get(taskId) ?? []} />
            ))}
          </div>
        </section>
      )}
      <PickPager picked={shown} most={MOST_CHARTS} />
    </DagPage>,
  )
})

const CHART = { width: 500, height: 90 }

function TaskDurations({ taskId, rows }: { taskId: string; rows: readonly DurationRow[] }) {
  const sorted = rows.map(({ duration_ms }) => duration_ms).sort((a, b) => a - b)
  const longest = sorted.at(-1) ?? 0
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  const slot = CHART.width / RUNS
  const first = RUNS - rows.length
  const bar = ({ run, state, duration_ms }: DurationRow, index: number) => {
    const height = Math.max(2, (duration_ms / Math.max(1, longest)) * (CHART.height - 6))
    const box = [(first + index) * slot + 1, CHART.height - height, slot - 2, height].map(round)
    return svgBar(`/runs/${run}/${encodeURIComponent(taskId)}`, state, box, duration_ms)
  }
  return (
    <figure class="card">
      <figcaption>
        <span class="id">{taskId}</span>
        <span class="sub">
          median <Duration ms={median} />, longest <Duration ms={longest} />
        </span>
      </figcaption>
      <svg
        viewBox={`0 0 ${CHART.width} ${CHART.height}`}
        width={CHART.width}
        height={CHART.height}
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        <line x1="0" x2={CHART.width} y1={CHART.height - 0.5} y2={CHART.height - 0.5} />
        {raw(rows.map(bar).join(''))}
      </svg>
    </figure>
  )
}

/** Map.groupBy, which Node 20 does not have. */
function groupBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(keyOf(one))
    if (group) group.push(one)
    else groups.set(keyOf(one), [one])
  }
  return groups
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
