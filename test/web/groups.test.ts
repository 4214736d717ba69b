import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { foldGraph, openGroups, rowsOf, stateOfGroup, toggled } from '../../src/web/fold-groups.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, uniqueId } from '../support/runner.ts'
import { BROWSER, newPage, openBrowser } from './browser.ts'
import { type OpenSite, openSite } from './site.ts'

const database = useDatabase()
const run = () => {}

/** `there`, then the group `clean` with the group `clean.deep`, then a branch between `load_eu` and `load_us`. */
const grouped = dag(uniqueId('grouped'), {}, ({ task, group }) => {
  const there = task('there', { run })
  const clean = group('clean', ({ task, group }) => {
    const rows = task('rows', { upstream: { there }, run })
    const deep = group('deep', ({ task }) => void task('names', { upstream: { rows }, run }))
    return { deep }
  })
  const eu = task('load_eu', { run })
  const us = task('load_us', { run })
  task.branch('choose', { upstream: { clean }, options: { eu: [eu], us: [us] }, run: () => 'eu' })
})
const { nodes } = grouped.graph

describe('rows', () => {
  const idsOf = (...open: string[]) =>
    rowsOf(nodes, openGroups(open)).map(({ id, open }) => `${id}${open ? ' open' : ''}`)
  const rest = ['choose', 'load_eu', 'load_us']

  test('a folded group is one row, an open one is followed by its members', () => {
    expect(idsOf()).toEqual(['there', 'clean', ...rest])
    expect(idsOf('clean')).toEqual(['there', 'clean open', 'clean.rows', 'clean.deep', ...rest])
    const all = ['there', 'clean open', 'clean.rows', 'clean.deep open', 'clean.deep.names', ...rest]
    expect(idsOf('*')).toEqual(all)
    expect(idsOf('clean', 'clean.deep')).toEqual(all)
    expect(idsOf('clean.deep')).toEqual(['there', 'clean', ...rest])
  })

  test('a group with the id of a task is not folded', () => {
    const both = dag('both', {}, ({ task, group }) => {
      task('clean', { run })
      group('clean', ({ task }) => void task('rows', { run }))
    })
    expect(rowsOf(both.graph.nodes, openGroups()).map(({ id }) => id)).toEqual(['clean', 'clean.rows'])
  })

  test('a link opens one group; the link of an open group closes the groups within it too', () => {
    const rows = rowsOf(nodes, openGroups(['*']))
    const link = (id: string) => toggled(rows, rows.find((row) => row.id === id) as (typeof rows)[number])
    expect(link('clean.deep')).toBe('?open=clean')
    expect(link('clean')).toBe('?')
    const folded = rowsOf(nodes, openGroups())
    expect(toggled(folded, folded[1] as (typeof rows)[number])).toBe('?open=clean')
  })

  test('a folded graph has the edges of the members, and none within the group', () => {
    const edgesOf = (...open: string[]) =>
      foldGraph(nodes, rowsOf(nodes, openGroups(open))).flatMap(({ id, upstream }) =>
        Object.values(upstream).map((from) => `${from} > ${id}`),
      )
    expect(edgesOf()).toEqual(['there > clean', 'clean > choose', 'choose > load_eu', 'choose > load_us'])
    expect(edgesOf('clean')).toContain('clean.rows > clean.deep')
    expect(edgesOf('*')).toContain('clean.deep.names > choose')
  })

  test('the state of a group is the one that needs attention first', () => {
    expect(stateOfGroup(['success', 'failed', 'running'])).toBe('failed')
    expect(stateOfGroup(['success', 'none', 'running'])).toBe('running')
    expect(stateOfGroup(['success', 'skipped'])).toBe('success')
    expect(stateOfGroup([])).toBe('none')
  })
})

describe('pages', () => {
  let site: OpenSite
  let graph: string

  beforeAll(async () => {
    const runner = await openTestRunner(database, [grouped])
    const { run_id } = await runner.run(grouped)
    graph = `/dags/${grouped.id}/runs/${encodeURIComponent(run_id)}/graph`
    site = await openSite(database, { dags: [grouped] })
  })
  afterAll(() => site.close())

  const cells = (text: string) =>
    [...(text.split('</table>')[0] ?? '').matchAll(/<th scope="row".*?(?=<\/tr>)/gs)].map(([row]) => {
      const [head, cell] = row.split('<td>')
      return `${head?.replace(/<span.*|<[^>]*>/g, '')}: ${/title="([^",]+)/.exec(cell ?? '')?.[1]}`
    })

  test('the grid shows the state of a folded group', async () => {
    const folded = await site.get(`/dags/${grouped.id}`)
    expect(cells(folded.text)).toEqual([
      ...['there: success', 'clean: success', 'choose: success', 'load_eu: success', 'load_us: skipped'],
    ])
    expect(folded.text).toContain('href="?open=clean"')
    const open = await site.get(`/dags/${grouped.id}?open=clean`)
    expect(cells(open.text)).toContain('clean.deep: success')
  })

  test('a link that opens a group keeps the filter of the grid, and the filter keeps the open groups', async () => {
    const { text } = await site.get(`/dags/${grouped.id}?state=success&open=clean`)
    expect(text).toContain('href="?state=success&amp;open=clean&amp;open=clean.deep"')
    expect(text).toContain('<input type="hidden" name="open" value="clean"/>')
    const before = 999_999_999
    const older = await site.get(`/dags/${grouped.id}?state=success&open=clean&before=${before}`)
    expect(older.text).toContain(`href="?state=success&amp;before=${before}"`)
    expect(older.text).toContain('href="?state=success&amp;open=clean">Newest')
  })

  test('links repeat only the groups that are open, however many the address names', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `open=none${index}`).join('&')
    const path = `/dags/${grouped.id}?state=success&open=clean`
    const [few, all] = [await site.get(path), await site.get(`${path}&open=clean&${many}`)]
    const gridOf = (text: string) => /<div class="grid-box">[\s\S]*<\/main>/.exec(text)?.[0]
    expect(gridOf(all.text)).toBe(gridOf(few.text))
  })

  test('the graph of a run has one node for a folded group, and says what a branch did not choose', async () => {
    const folded = (await site.get(graph)).text
    expect(folded).toContain('aria-label="5 tasks"')
    expect(folded).toContain('2 tasks · success')
    expect(folded).toContain('>choose chose eu</text>')
    expect(folded.match(/class="edge not-taken"/g)).toHaveLength(1)
    expect((await site.get(`${graph}?open=*`)).text).toContain('aria-label="6 tasks"')
    expect((await site.get(`${graph}?search=names`)).text).toContain('aria-label="1 tasks"')
  })

  test.skipIf(BROWSER === undefined)('a click on a group of the graph opens it', async () => {
    const browser = await openBrowser()
    const { page, complaints } = await newPage(await browser.newContext({ baseURL: site.url }))
    await page.goto(graph)
    await page.locator('a.node', { hasText: '2 tasks' }).click()
    await page.waitForURL(/open=clean$/)
    expect(complaints).toEqual([])
    await browser.close()
  })
})
