import { expect, test } from 'vitest'
import type { DagRunState, TaskInstanceState } from '../src/dag/state.ts'
import { openMetadata } from '../src/metadata/metadata.ts'
import { showRun } from '../src/operations/list-runs.ts'
import { useDatabase } from './support/database.ts'
import { aRun } from './support/factories.ts'

const database = useDatabase()

test.each<DagRunState>(['queued', 'running', 'success', 'failed'])('a run can be stored as %s', async (state) => {
  const db = openMetadata(database.pool, 'metadata')
  await aRun(db, { dagId: 'placed', runId: state, state })
  expect(await showRun(db, 'placed', state)).toMatchObject({ run_id: state, state })
})

test('a task instance can be stored in any state', async () => {
  const db = openMetadata(database.pool, 'metadata')
  const waiting = ['none', 'scheduled', 'queued', 'running', 'up_for_retry', 'up_for_reschedule'] as const
  const states: TaskInstanceState[] = [...waiting, 'success', 'failed', 'skipped', 'upstream_failed']
  const tasks = Object.fromEntries(states.map((state) => [state, state]))
  const run = await aRun(db, { dagId: 'placed', runId: 'all', state: 'running', tasks })
  const { rows } = await db.query('select task_id, state from metadata.task_instance where dag_run_id = $1', [run])
  expect(Object.fromEntries(rows.map(({ task_id, state }) => [task_id, state]))).toEqual(tasks)
})
