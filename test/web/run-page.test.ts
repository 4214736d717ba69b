import { afterAll, beforeAll, expect, test } from 'vitest'
import { axisOf } from '../../src/web/gantt-spans.ts'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { type OpenSite, openSite } from './site.ts'

const database = useDatabase()
let site: OpenSite
let run: number
beforeAll(async () => {
  site = await openSite(database)
  const tasks = { extract: 'success', load: 'success', check: 'failed', later: 'none' } as const
  const runId = (day: number) => `scheduled__2020-03-0${day}T06:00:00.000Z`
  await aRun(site.metadata, { dagId: 'etl', runId: runId(1), runType: 'scheduled', tasks: { load: 'success' } })
  run = await aRun(site.metadata, { dagId: 'etl', runId: runId(2), runType: 'scheduled', state: 'failed', tasks })
  await aRun(site.metadata, {
    dagId: 'etl',
    runId: runId(3),
    runType: 'scheduled',
    tasks: { extract: 'success', load: 'success' },
  })
  await aRun(site.metadata, { dagId: 'other' })
  await place()
})
afterAll(() => site.close())

/**
 * The run waits 2 s in the queue. `load` waits 5 s for a slot after `extract`. `check` waits 3 s for its second try.
 */
async function place() {
  const at = (second: number) => new Date(Date.UTC(2020, 2, 2, 6, 0, second))
  const graph = [node('extract'), node('load', 'extract'), node('check', 'load'), node('later', 'check')]
  const { pool } = database
  await pool.query(`update metadata.dag_version set graph = $1 where dag_id = 'etl'`, [JSON.stringify(graph)])
  await pool.query(
    'update metadata.dag_run set queued_at = $2, started_at = $3, ended_at = $4, logical_date = $2 where dag_run_id = $1',
    [run, at(0), at(2), at(30)],
  )
  const times: [string, number, number][] = [
    ['extract', 2, 10],
    ['load', 15, 20],
    ['check', 24, 30],
  ]
  for (const [task, from, to] of times)
    await pool.query(
      'update metadata.task_instance set started_at = $3, ended_at = $4, try_number = $5 where dag_run_id = $1 and task_id = $2',
      [run, task, at(from), at(to), task === 'check' ? 2 : 1],
    )
  await pool.query(
    `insert into metadata.task_instance_history (dag_run_id, task_id, try_number, state, reason, error, started_at, ended_at)
     values ($1, 'check', 1, 'failed', 'no', 'Error: no', $2, $3)`,
    [run, at(20), at(21)],
  )
}

function node(id: string, upstream?: string) {
  return { id, upstream: upstream === undefined ? {} : { before: upstream }, triggerRule: 'all_success' }
}

const path = '/dags/etl/runs/scheduled__2020-03-02T06:00:00.000Z'

test('a run page shows a readable name, the facts above the tasks, and the way to the runs before and after', async () => {
  const { text } = await site.get(path)
  expect(text).toMatch(/<title>2 Mar 2020 06:00 UTC · scheduled · etl · T-minus<\/title>/)
  expect(text).toMatch(/<h1 title="scheduled__2020-03-02T06:00:00.000Z"><time[^>]*>2 Mar 2020 06:00 UTC<\/time>/)
  expect(text.indexOf('Waited in the queue')).toBeLessThan(text.indexOf('aria-label="Tasks"'))
  expect(text).toMatch(/rel="prev" href="[^"]*scheduled__2020-03-01[^"]*"/)
  expect(text).toMatch(/rel="next" href="[^"]*scheduled__2020-03-03[^"]*"/)
  const { text: gantt } = await site.get('/dags/etl/runs/latest/gantt')
  expect(gantt).toMatch(/rel="prev" href="[^"]*scheduled__2020-03-02[^"]*\/gantt"/)
  expect(gantt).not.toContain('rel="next"')
})

test('a task that waits for its upstream tasks is shown as waiting', async () => {
  const { text } = await site.get(path)
  expect(text).toMatch(/<span class="state none"[^>]*><svg.*?<\/svg>waiting<\/span>/)
  expect(text).not.toMatch(/<\/svg>none</)
})

test('the Gantt chart draws the waits for the queue, a slot and the next try, and marks round times', async () => {
  const { text } = await site.get(`${path}/gantt`)
  const bars = [...text.matchAll(/<rect class="(\w+)" x="([\d.]+)"[^>]*width="([\d.]+)"[^>]*><title>([^<]*)</g)]
  const drawn = bars.map(([, state, x, width, title]) => [
    state,
    Math.round(Number(x) * 0.03),
    Math.round(Number(width) * 0.03),
    title,
  ])
  // Seconds from the start of the axis, and their number.
  expect(drawn).toEqual([
    ['wait', 0, 2, 'the run waited in the queue, 2 s'],
    ['success', 2, 8, 'try 1: success, 8 s'],
    ['wait', 10, 5, 'waited for a slot or worker, 5 s'],
    ['success', 15, 5, 'try 1: success, 5 s'],
    ['retry_wait', 21, 3, 'waited for the next try, 3 s'],
    ['failed', 20, 1, 'try 1: failed, 1 s'],
    ['failed', 24, 6, 'try 2: failed, 6 s'],
  ])
  expect([...text.matchAll(/<text x="[\d.]+%"[^>]*>([^<]*)</g)].map(([, label]) => label)).toEqual([
    '0',
    '5 s',
    '10 s',
    '15 s',
    '20 s',
    '25 s',
  ])
})

test('after a long wait in the queue, the tasks still fill most of the Gantt chart', () => {
  const span = { taskId: 'a', state: 'success', title: '', start: 100_000, end: 108_000 }
  expect(axisOf([span], 0)).toMatchObject({ from: 98_000, to: 108_000 })
  expect(axisOf([span], 99_000)).toMatchObject({ from: 99_000, to: 108_000 })
})

test('a run has the same place in the charts of all tasks', async () => {
  const { text } = await site.get('/dags/etl/durations?search=a')
  const [extract = '', load = ''] = ['extract', 'load'].map(
    (task) => new RegExp(`<span class="id">${task}<.*?</figure>`).exec(text)?.[0],
  )
  const places = (chart: string) =>
    new Map([...chart.matchAll(/href="\/runs\/(\d+)\/.*?x="([\d.]+)"/g)].map(([, id, x]) => [id, x]))
  expect([places(extract).size, places(load).size]).toEqual([2, 3])
  for (const [id, x] of places(extract)) expect(places(load).get(id)).toBe(x)
})
