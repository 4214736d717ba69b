import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { identifiersOf, queuesOf } from '../../src/worker/hand-over.ts'

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
