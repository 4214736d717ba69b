import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { handOverTo, identifiersOf, queuesOf } from '../../src/worker/hand-over.ts'

const run = () => {}
const long = (end: string) => `${'x'.repeat(249)}${end}`

test('the engine accepts the names of jobs, and names of any length stay different', () => {
  const dags = [long('a'), long('b')].map((id) => dag(id, {}, ({ task }) => task('t', { run })))
  const names = identifiersOf(dags, [long('a'), long('b')])
  expect(new Set(names).size).toBe(4)
  for (const name of names) expect(name.length).toBeLessThanOrEqual(128)
})

test('another queue of a task does not change its dag, and another graph does', () => {
  const of = (queue: string, more: string[] = []) =>
    dag('d', {}, ({ task }) => [task('t', { queue, run }), ...more.map((id) => task(id, { run }))])
  expect(identifiersOf([of('gpu')], ['default'])).toEqual(identifiersOf([of('default')], ['default']))
  expect(identifiersOf([of('gpu')], ['default'])).not.toEqual(identifiersOf([of('gpu', ['u'])], ['default']))
  expect(identifiersOf([of('gpu')], ['gpu'])[0]).toMatch(/^gpu:d:[0-9a-f]{16}$/)
  expect(queuesOf([of('gpu', ['u', 'v']), of('cpu')])).toEqual(['cpu', 'default', 'gpu'])
})

test('jobs have the names and payloads that workers of the previous minor version expect', () => {
  // If this must change, the workers have to accept both for one minor version: see CONTRIBUTING, "Add a migration".
  const two = dag('d', {}, ({ task }) => [task('a', { run }), task('b', { upstream: { a: task('c', { run }) }, run })])
  expect(identifiersOf([two], ['default'])).toEqual(['default:d:065dab178d03a352'])
  const payload = `json_build_object('dagRunId', m.dag_run_id, 'taskId', m.task_id, 'tryNumber', m.try_number)`
  expect(handOverTo('engine').sql).toContain(payload)
})
