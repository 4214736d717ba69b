import { expect, test } from 'vitest'
import { taskNames } from '../../src/operations/task-names.ts'

const elements = (count: number) => Array.from({ length: count }, (_, at) => `load_page[${at}]`)

test('several elements of a mapped task are one entry, with their number and that of all elements', () => {
  const all = ['pages', 'load_page', ...elements(500), 'sum']
  expect(taskNames(['load_page', ...elements(412), 'sum'], all)).toEqual(['load_page (412 of 500 elements)', 'sum'])
  expect(taskNames(all, all)).toEqual(['pages', 'load_page (500 elements)', 'sum'])
  expect(taskNames(elements(3))).toEqual(['load_page (3 elements)'])
  expect(taskNames(['load_page[7]', 'sum'], all)).toEqual(['load_page[7]', 'sum'])
  expect(taskNames([])).toEqual([])
})
