/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { raw } from 'hono/html'
import { findDag } from '../find.ts'
import { groupBy } from '../group-by.ts'
import { Duration, Empty, Id } from '../parts.tsx'
import { type DurationRow, readDurations, readTaskIds } from '../queries/tasks.ts'
import type { WebEnv } from '../site.ts'
import { DagPage } from './dag-head.tsx'
import { PickBar, PickPager, picked, pickOf } from './pick.tsx'
import { svgBar } from './run-bars.tsx'

export const durationPages = new Hono<WebEnv>()

/** Runs in the chart. */
const RUNS = 50
const MOST_CHARTS = 15
const MOST_KNOWN = 1_000

durationPages.get('/dags/:dag/durations', async (c) => {
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

/** Each run has the same place in all charts. A run in which the task has not ended leaves its place empty. */
function TaskDurations({ taskId, rows }: { taskId: string; rows: readonly DurationRow[] }) {
  const sorted = rows.map(({ duration_ms }) => duration_ms).sort((a, b) => a - b)
  const longest = sorted.at(-1) ?? 0
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  const slot = CHART.width / RUNS
  const bar = ({ run, age, state, duration_ms }: DurationRow) => {
    const height = Math.max(2, (duration_ms / Math.max(1, longest)) * (CHART.height - 6))
    const box = [(RUNS - age) * slot + 1, CHART.height - height, slot - 2, height].map(round)
    return svgBar(`/runs/${run}/${encodeURIComponent(taskId)}`, state, box, duration_ms)
  }
  return (
    <figure class="card">
      <figcaption>
        <span class="id">
          <Id id={taskId} />
        </span>
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
