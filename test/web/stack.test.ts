import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { partsOf } from '../../src/web/stack.tsx'

const OWN = fileURLToPath(new URL('../../src/', import.meta.url))
const lines = (...all: string[]) => all.join('\n')
const author = '    at parse (/app/pipelines/load/dag.ts:3:42)'
const http = `    at get (${OWN}connectors/http.ts:10:5)`
const runner = [`    at async work (${OWN}runner/execute.ts:59:21)`, '    at node:internal/process/task_queues:95:5']

test('a stack ends at the last frame of the author, in the error and in each cause', () => {
  const text = lines('Error: no column', author, ...runner, 'caused by TypeError: no', 'second line', author, ...runner)
  expect(partsOf(text)).toEqual([
    { shown: ['Error: no column', author], folded: runner },
    { shown: ['caused by TypeError: no', 'second line', author], folded: runner },
  ])
})

test('frames of T-minus above a frame of the author stay', () => {
  expect(partsOf(lines('Error: 503', http, author, ...runner))).toEqual([
    { shown: ['Error: 503', http, author], folded: runner },
  ])
})

test.each([
  ['without a frame of the author', lines('Error: lost', ...runner)],
  ['without frames', 'Exit code 1'],
  ['without frames of T-minus', lines('Error: no', author, 'caused by Error: why', author)],
  ['of no text', ''],
])('an error %s is shown whole', (_, text) => {
  expect(partsOf(text)).toEqual([{ shown: text.split('\n'), folded: [] }])
})
