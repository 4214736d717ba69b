import { expect, test } from 'vitest'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { cancel } from '../../src/operations/operate.ts'
import { startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'

const database = useDatabase()

test('a process that hangs loses its runs when its lease expires, and registers as a new process when it continues', async () => {
  const metadata = openMetadata(database.pool, 'metadata')
  const query = async (sql: string, values: unknown[] = []) => (await metadata.query(sql, values)).rows
  const scheduler = startCli(['scheduler'], { env: { DATABASE_URL: database.connectionString, LOG_LEVEL: 'warn' } })
  await until(async () => (await query('select from metadata.job where backend_pid is not null')).length === 1)
  const pipeline = startCli(['pipeline', 'slow'], { env: { DATABASE_URL: database.connectionString } })
  await until(async () => (await query(`select from metadata.task_instance where state = 'running'`)).length === 1)
  // The pipeline process owns the run. It is frozen, and the scheduler must find that out.
  pipeline.process.kill('SIGSTOP')
  // One statement simulates thirty seconds without a heartbeat.
  await query(`update metadata.job set heartbeat_at = now() - interval '31 s' where pid = $1`, [pipeline.process.pid])
  await until(
    async () =>
      (await query(`select from metadata.job where pid = $1 and state = 'failed'`, [pipeline.process.pid])).length ===
      1,
  )
  await until(async () => {
    const rows = await query(
      `select t.try_number, j.pid from metadata.task_instance t join metadata.job j using (job_id) where t.state = 'running'`,
    )
    return rows.length === 1 && rows[0]?.try_number === 2 && rows[0]?.pid === scheduler.process.pid
  })
  const [lost] = await query('select state, reason from metadata.task_try')
  expect(lost).toEqual({
    state: 'failed',
    reason: expect.stringMatching(/^lost: process \d+ on .* sent no heartbeat for 30 s \(not charged\)$/),
  })

  pipeline.process.kill('SIGCONT')
  const { code, stderr } = await pipeline.ended
  expect(code).toBe(1)
  expect(stderr).toMatch(/was declared dead|another process took it over/)
  // The run still belongs to the other process, unchanged.
  expect(await query(`select try_number from metadata.task_instance where state = 'running'`)).toEqual([
    { try_number: 2 },
  ])
  await cancel(metadata, { dagId: 'slow', runId: 'latest' })
})
