import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { fail } from '../../src/dag/ending.ts'
import { foldElements } from '../../src/web/fold-elements.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, uniqueId } from '../support/runner.ts'
import { type OpenSite, openSite } from './site.ts'

const database = useDatabase()

const mapped = dag(uniqueId('mapped'), {}, ({ task }) => {
  const pages = task('pages', {
    output: z.array(z.string()),
    run: () => Array.from({ length: 120 }, (_, at) => `p${at}`),
  })
  const loaded = task.map('load_page', {
    over: pages,
    label: (page) => `page ${page}`,
    run: (_page, _inputs, { mapIndex, log }) => {
      log.info(`element ${mapIndex}`)
      if (mapIndex === 7) throw fail('broken')
    },
  })
  task('report', { upstream: { loaded }, triggerRule: 'all_done', run: () => {} })
})

test('a mapped task has the state of its elements, and counts those that have ended', () => {
  const at = new Date(0)
  const row = (task_id: string, state: 'none' | 'success' | 'running' | 'failed', end_date: Date | null = null) => ({
    task_id,
    state,
    start_date: at,
    end_date,
  })
  const none = row('m', 'none')
  expect(foldElements([none, row('m[0]', 'success', at), row('m[1]', 'running'), row('other', 'none')])).toEqual([
    { task_id: 'm', state: 'running', start_date: at, end_date: null, elements: '1 of 2' },
    row('other', 'none'),
  ])
  const failed = foldElements([none, row('m[0]', 'failed', at), row('m[1]', 'running')])
  expect(failed[0]).toMatchObject({ state: 'failed', elements: '1 of 2' })
})

describe('pages', () => {
  let site: OpenSite
  let run: string

  beforeAll(async () => {
    const runner = await openTestRunner(database, [mapped])
    const { run_id } = await runner.run(mapped)
    run = `/dags/${mapped.id}/runs/${encodeURIComponent(run_id)}`
    site = await openSite(database, { dags: [mapped] })
  })
  afterAll(() => site.close())

  test('the grid and the graph have one node for a mapped task, with how many elements have ended', async () => {
    expect((await site.get(`/dags/${mapped.id}`)).text).toContain('title="failed, 120 of 120')
    const { text } = await site.get(`${run}/graph`)
    expect(text).toContain('aria-label="3 tasks"')
    expect(text).toContain('120 of 120 · failed')
  })

  test('the page of a run lists a mapped task as one; a search lists its elements with their labels', async () => {
    const { text } = await site.get(run)
    expect(text).toContain('120 of 120')
    expect(text.slice(text.indexOf('<tbody'))).not.toContain('tasks/load_page%5B')
    const found = await site.get(`${run}?search=load_page%5B`)
    expect(found.text).toContain('page p7<')
    expect(found.text).toContain('1–100')
  })

  test('the gantt chart has one row for a mapped task; a search shows its elements', async () => {
    const { text } = await site.get(`${run}/gantt`)
    expect(text).toMatch(/<title>120 of 120: failed, /)
    expect(text).not.toContain('tasks/load_page%5B')
    expect((await site.get(`${run}/gantt?search=load_page%5B`)).text).toContain('tasks/load_page%5B99%5D')
  })

  test('a mapped task has a chart of durations, also if the code of the dag is not loaded', async () => {
    const bar = /load_<wbr\/>page\s*<\/span>(?:(?!<\/figure>).)*<rect/s
    expect((await site.get(`/dags/${mapped.id}/durations`)).text).toMatch(bar)
    const without = await openSite(database, { dags: [] })
    const { text } = await without.get(`/dags/${mapped.id}/durations`)
    await without.close()
    expect(text).toMatch(bar)
    expect(text).not.toContain('load_page[')
  })

  test('an element has a page with its label and its log', async () => {
    const { text } = await site.get(`${run}/tasks/${encodeURIComponent('load_page[7]')}`)
    expect(text).toContain('page p7')
    expect(text).toContain('element 7')
    expect((await site.get(`${run}/tasks/load_page`)).text).toContain('Its elements')
  })
})
