import { expect, test } from 'vitest'
import { endings } from './endings.ts'
import { leaving } from './leaving.ts'
import { limits } from './limits.ts'
import { type ExecutorUnderTest, useSuite } from './under-test.ts'
import { values } from './values.ts'

/**
 * What every executor must do. The tasks are pipelines in files, so that any process can load them; they meet their test
 * in the database. To add an executor, add an entry to `under-test.ts`, a test file that calls this function, and its
 * differences.
 */
export function conformance(executor: ExecutorUnderTest): void {
  const suite = useSuite(executor)
  endings(suite)
  limits(suite)
  leaving(suite)
  values(suite)
  test('each listed difference was found', () => {
    expect(suite.unused()).toEqual([])
  })
}
