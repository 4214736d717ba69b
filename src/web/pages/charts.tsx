/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { raw } from 'hono/html'
import { humanDuration } from '../../duration.ts'
import { durationOf, findDag, findLiveRun, paths } from '../find.ts'
import { Duration, Empty, StateIcon, Time } from '../parts.tsx'
import type { InstanceRow, RunRow } from '../queries/runs.ts'
import { allTries, type DurationRow, readDurations, type TrySpan } from '../queries/tasks.ts'
import type { WebEnv } from '../site.ts'
import { DagPage } from './dag-head.tsx'
import { svgBar } from './run-bars.tsx'
import { RunPage } from './run-head.tsx'

export const chartPages = new Hono<WebEnv>()

chartPages.get('/dags/:dag/runs/:run/gantt', async (c) => {
  const { run, instances, mark } = await findLiveRun(c)
  const tries = await allTries(c.var.site.metadata, run.id)
  return c.html(
    <RunPage c={c} run={run} tab="gantt" mark={mark}>
      <Gantt run={run} instances={instances} tries={tries} />
    </RunPage>,
  )
})

const WIDE = 1000

/** Each task's tries along the time of the run. */
function Gantt({
  run,
  instances,
  tries,
}: {
  run: RunRow
  instances: readonly InstanceRow[]
  tries: readonly TrySpan[]
}) {
  const spans = spansOf(instances, tries)
  const from = Math.min(...spans.map(({ start }) => start))
  const to = Math.max(...spans.map(({ end }) => end), from + 1)
  if (spans.length === 0)
    return <Empty title="Nothing has started yet">A task is drawn here as soon as it starts.</Empty>
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
              </th>
              <td>
                <Bars spans={spans.filter(({ taskId }) => taskId === instance.task_id)} from={from} to={to} />
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
  tryNumber: number
  start: number
  end: number
}

function spansOf(instances: readonly InstanceRow[], tries: readonly TrySpan[]): Span[] {
  const ended = tries.map(({ task_id, state, try_number, start_date, end_date }) => {
    return { taskId: task_id, state, tryNumber: try_number, start: start_date.getTime(), end: end_date.getTime() }
  })
  const running = instances.flatMap(({ task_id, state, try_number, start_date }) => {
    if (state !== 'running' || start_date === null) return []
    return { taskId: task_id, state, tryNumber: try_number, start: start_date.getTime(), end: Date.now() }
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
      {spans.map(({ state, tryNumber, start, end }) => (
        <rect class={state} x={place(start)} y="2" width={Math.max(3, place(end) - place(start))} height="16">
          <title>{`try ${tryNumber}: ${state}, ${humanDuration(end - start)}`}</title>
        </rect>
      ))}
    </svg>
  )
}

/** Runs looked at. */
const RUNS = 50

chartPages.get('/dags/:dag/durations', async (c) => {
  const found = await findDag(c)
  const rows = await readDurations(c.var.site.metadata, found.dagId, RUNS)
  const order = found.dag?.graph.taskIds ?? []
  const taskIds = [...new Set([...order, ...rows.map(({ task_id }) => task_id)])].slice(0, 40)
  return c.html(
    <DagPage c={c} found={found} tab="durations">
      {rows.length === 0 ? (
        <Empty title="No task has ended yet">After the first run each is drawn here: press Trigger.</Empty>
      ) : (
        <section aria-labelledby="durations-title">
          <h2 id="durations-title">How long each task took in the last {RUNS} runs</h2>
          <div class="durations">
            {taskIds.map((taskId) => (
              <TaskDurations taskId={taskId} rows={rows.filter(({ task_id }) => task_id === taskId)} />
            ))}
          </div>
        </section>
      )}
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

function round(value: number): number {
  return Math.round(value * 10) / 10
}
