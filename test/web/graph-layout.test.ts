import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { placeGraph } from '../../src/web/graph-layout.ts'
import { fortyTasks } from './forty-tasks.ts'

const run = () => {}

test('a teardown is drawn after the last tasks that it waits for; other tasks after each of their upstreams', async () => {
  const { graph } = dag('d', {}, ({ task }) => {
    const create = task('create', { run })
    task('drop', { teardown: create, upstream: { create }, run })
    const load = task('load', { upstream: { create }, run })
    task('check', { upstream: { load }, run })
    task('report', { upstream: { create, load }, run })
  })
  const { edges } = await placeGraph(graph.nodes)
  expect(edges.map(({ from, to }) => `${from} ${to}`).sort()).toEqual([
    'check drop',
    'create load',
    'create report',
    'load check',
    'load report',
    'report drop',
  ])
})

test('the bend of an edge around other tasks is within the drawing', async () => {
  const { nodes } = fortyTasks('d').graph
  const { height, edges } = await placeGraph(nodes)
  const ys = edges.flatMap(({ path }) => [...path.matchAll(/\d+ (-?\d+)/g)].map(([, y]) => Number(y)))
  expect(Math.min(...ys)).toBeGreaterThan(0)
  expect(Math.max(...ys)).toBeLessThan(height)
})
