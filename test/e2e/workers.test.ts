import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { loadDags } from '../../src/load-dags.ts'
import { listWorkers } from '../../src/maintenance/alive.ts'
import { whyNoWorker } from '../../src/maintenance/not-served.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { showRun } from '../../src/operations/list-runs.ts'
import { cancel } from '../../src/operations/operate.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { openProxy } from '../support/proxy.ts'
import { until } from '../support/runner.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/worker-pipelines', import.meta.url))

const database = useDatabase()
const metadata = () => openMetadata(database.pool, 'metadata')
let dags: ReadonlyMap<string, Dag>
let processes: Running[] = []

beforeAll(async () => {
  dags = (await loadDags(PIPELINES)).dags
  await migrateMetadata(database.pool, 'metadata')
})

beforeEach(async () => {
  await database.pool.query(
    `create table effect (run_id text, try_number int, what text, pid int, at timestamptz default clock_timestamp());
     create table held (); insert into held default values`,
  )
})

afterEach(async () => {
  for (const { process } of processes) process.kill('SIGKILL')
  await Promise.all(processes.map(({ ended }) => ended))
  processes = []
  await database.pool.query('drop table effect, held; delete from metadata.dag_run')
})

async function start(verb: 'scheduler' | 'worker', settings: Record<string, string> = {}): Promise<Running> {
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: PIPELINES, EXECUTOR: 'distributed' }
  const running = startCli([verb], { env: { ...env, ...settings } })
  processes.push(running)
  const isReady = () => running.stdout().includes(verb === 'worker' ? 'executing tasks' : 'health at')
  await Promise.race([
    until(async () => isReady()),
    running.ended.then(({ stderr }) => Promise.reject(new Error(stderr))),
  ])
  return running
}

async function queue(dagId: string): Promise<string> {
  return (await enqueue(metadata(), dags.get(dagId) as Dag, { logicalDate: new Date() })).runId
}

const show = async (dagId: string, runId: string) => await showRun(metadata(), dagId, runId)

async function ended(dagId: string, runId: string) {
  await until(async () => ['success', 'failed'].includes((await show(dagId, runId))?.state ?? ''))
  return await show(dagId, runId)
}

const effects = async () =>
  (
    await database.pool.query<{ try_number: number; what: string; pid: number; at: Date }>(
      'select * from effect order by at',
    )
  ).rows

const begun = async (count = 1) => {
  await until(async () => (await effects()).filter(({ what }) => what === 'begun').length >= count)
  return (await effects()).filter(({ what }) => what === 'begun')
}
const letGo = () => database.pool.query('delete from held')
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
const pidOf = ({ process }: Running) => process.pid

describe('EXECUTOR=distributed', () => {
  test('a scheduler and two workers run a chain: the owner executes nothing, and outputs and logs arrive', async () => {
    const [owner, ...workers] = [await start('scheduler'), await start('worker'), await start('worker')]
    const run = await ended('chain', await queue('chain'))
    expect(run).toMatchObject({ state: 'success' })
    const { rows } = await database.pool.query<{ value: number[] }>(
      `select value from metadata.xcom where task_id = 'third'`,
    )
    const pids = rows[0]?.value ?? []
    expect(pids).toHaveLength(3)
    expect(pids).not.toContain(pidOf(owner as Running))
    expect(workers.map(pidOf)).toContain(pids[0])
    expect(workers.map(pidOf)).toContain(pids[2])
    const left = await database.pool.query(
      `select (select count(*)::int from metadata.task_report) as reports, (select count(*)::int from tminus_worker.jobs) as jobs,
         (select string_agg(message, ' ') from metadata.task_log) as log`,
    )
    expect(left.rows).toEqual([{ reports: 0, jobs: 0, log: 'the first task' }])
  })

  test('kill -9 of a worker: its try is lost and starts again on the other one within seconds', async () => {
    await start('scheduler')
    const workers = [await start('worker'), await start('worker')]
    const runId = await queue('held')
    const [first] = await begun()
    const victim = workers.find((one) => pidOf(one) === first?.pid)
    const survivor = workers.find((one) => one !== victim)
    const killedAt = Date.now()
    victim?.process.kill('SIGKILL')
    await begun(2)
    const afterMs = Date.now() - killedAt
    await letGo()
    const run = await ended('held', runId)
    console.log(`the second try began ${afterMs} ms after the kill`)
    expect(run).toMatchObject({ state: 'success', task_instances: [{ try_number: 2 }] })
    const by = await database.pool.query('select pid from metadata.task_instance join metadata.job using (job_id)')
    expect(by.rows).toEqual([{ pid: survivor && pidOf(survivor) }])
    // About a second; on a busy machine, the child process alone takes several to start.
    expect(afterMs).toBeLessThan(15_000)
    const { rows } = await database.pool.query('select try_number, reason from metadata.task_instance_history')
    expect(rows).toEqual([{ try_number: 1, reason: expect.stringMatching(/^lost: process \d+ on .* died/) }])
  })

  test('kill -9 of the owner: another scheduler adopts the run, and the try on the worker goes on and counts', async () => {
    const [owner] = [await start('scheduler'), await start('worker')]
    const runId = await queue('held')
    await begun()
    await start('scheduler')
    owner.process.kill('SIGKILL')
    const owners = async () =>
      (await show('held', runId))?.state === 'running' &&
      (
        await database.pool.query(`select from metadata.dag_run join metadata.job using (job_id) where pid <> $1`, [
          pidOf(owner),
        ])
      ).rowCount === 1
    await until(owners)
    await letGo()
    const run = await ended('held', runId)
    expect(run).toMatchObject({ state: 'success', task_instances: [{ try_number: 1 }] })
    expect((await effects()).map(({ what }) => what)).toEqual(['begun', 'done'])
  })

  test('a try that ended while its run had no owner is counted by the next owner', async () => {
    const [owner] = [await start('scheduler'), await start('worker')]
    const runId = await queue('held')
    await begun()
    owner.process.kill('SIGKILL')
    await owner.ended
    await letGo()
    await until(async () => (await database.pool.query('select from metadata.task_report')).rowCount === 1)
    await start('scheduler')
    expect(await ended('held', runId)).toMatchObject({ state: 'success', task_instances: [{ try_number: 1 }] })
  })

  test('SIGTERM to the owner releases its runs at once, and their tries go on', async () => {
    const [owner] = [await start('scheduler'), await start('worker')]
    const runId = await queue('held')
    await begun()
    owner.process.kill('SIGTERM')
    await owner.ended
    expect(await show('held', runId)).toMatchObject({ state: 'queued', task_instances: [{ state: 'running' }] })
    await start('scheduler')
    await letGo()
    expect(await ended('held', runId)).toMatchObject({ state: 'success', task_instances: [{ try_number: 1 }] })
  })

  test('a pipeline has its tasks executed by a worker, and prints their ends', async () => {
    await start('worker')
    const settings = { DATABASE_URL: database.connectionString, PIPELINES_DIR: PIPELINES, EXECUTOR: 'distributed' }
    const { code, stdout } = await runCli(['pipeline', 'chain', '--json'], { env: settings })
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { state: 'success' }])
  })

  test('SIGTERM to a worker: it finishes its tries, takes no others, and exits with 0', async () => {
    const [, worker] = [await start('scheduler'), await start('worker')]
    const first = await queue('held')
    await begun()
    worker.process.kill('SIGTERM')
    await until(async () => worker.stdout().includes('SIGTERM: finishing'))
    await until(async () => (await whyNoWorker(metadata(), dags.get('held') as Dag)) !== undefined)
    const second = await queue('held')
    await letGo()
    expect(await ended('held', first)).toMatchObject({ state: 'success', task_instances: [{ try_number: 1 }] })
    expect((await worker.ended).code).toBe(0)
    expect(await begun()).toHaveLength(1)
    await start('worker')
    expect(await ended('held', second)).toMatchObject({ state: 'success', task_instances: [{ try_number: 1 }] })
  })

  test('a cancel reaches a try on a worker within 1 s', async () => {
    await Promise.all([start('scheduler'), start('worker')])
    const runId = await queue('held')
    await begun()
    const { rows } = await database.pool.query<{ now: Date }>('select clock_timestamp() as now')
    await cancel(metadata(), { dagId: 'held', runId })
    await until(async () => (await effects()).some(({ what }) => what === 'aborted'))
    const aborted = (await effects()).find(({ what }) => what === 'aborted')
    const afterMs = Number(aborted?.at) - Number(rows[0]?.now)
    console.log(`aborted ${afterMs} ms after the cancel`)
    expect(afterMs).toBeLessThan(1_000)
    expect(await show('held', runId)).toMatchObject({ state: 'failed', reason: 'cancelled' })
  })

  test('a dagrun timeout reaches a try on a worker within 1 s, and frees its pool slots', async () => {
    await Promise.all([start('scheduler'), start('worker')])
    const runId = await queue('limited')
    await until(async () => (await effects()).some(({ what }) => what === 'aborted'))
    const run = await ended('limited', runId)
    const afterMs = Number((await effects()).find(({ what }) => what === 'aborted')?.at) - Number(run?.end_date)
    console.log(`aborted ${afterMs} ms after the timeout`)
    expect(run).toMatchObject({ state: 'failed', reason: expect.stringContaining('dagrun timeout') })
    expect(afterMs).toBeLessThan(1_000)
    await until(async () => (await database.pool.query('select from metadata.pool_slot')).rowCount === 0)
  })

  test('a worker that is frozen loses its try within 35 s, uncharged; when it continues, its result does not count', async () => {
    await start('scheduler')
    const workers = [await start('worker'), await start('worker')]
    const runId = await queue('held')
    const [first] = await begun()
    const frozen = workers.find((one) => pidOf(one) === first?.pid)
    const at = Date.now()
    frozen?.process.kill('SIGSTOP')
    await until(async () => (await begun()).length === 2, 60_000)
    console.log(`the second try began ${Date.now() - at} ms after the freeze`)
    expect(Date.now() - at).toBeLessThan(35_000)
    await letGo()
    await ended('held', runId)
    frozen?.process.kill('SIGCONT')
    await until(async () => frozen?.stdout().includes('it continues with a new job id') === true)
    await until(async () => frozen?.stdout().includes('which is not counted') === true)
    expect(await show('held', runId)).toMatchObject({ state: 'success', task_instances: [{ try_number: 2 }] })
    const { rows } = await database.pool.query('select reason from metadata.task_instance_history')
    expect(rows).toEqual([{ reason: expect.stringContaining('(not charged') }])
    // It serves again.
    await database.pool.query('insert into held default values')
    const again = await Promise.all([queue('held'), queue('held'), queue('held'), queue('held'), queue('held')])
    await until(async () => (await begun()).slice(2).some(({ pid }) => pid === first?.pid))
    await letGo()
    for (const id of again) expect(await ended('held', id)).toMatchObject({ state: 'success' })
  }, 120_000)

  test('every connection of all processes is ended several times: each run ends, no try is lost', async () => {
    await Promise.all([start('scheduler'), start('worker'), start('worker')])
    const runs = [await queue('chain')]
    // A process that loses its connections while it starts would end.
    await ended('chain', runs[0] ?? '')
    for (let round = 0; round < 8; round++) {
      for (let one = 0; one < 4; one++) runs.push(await queue('chain'))
      await database.pool
        .query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
           and application_name like 'tminus%' and application_name <> 'tminus test'`,
        )
        .catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    for (const runId of runs) expect(await ended('chain', runId)).toMatchObject({ state: 'success' })
    const lost = `select reason from metadata.task_try where try_number > 1 or reason like 'lost%'`
    expect((await database.pool.query(lost)).rows).toEqual([])
    const { rows } = await database.pool.query('select max(try_number)::int as tries from metadata.task_instance')
    expect(rows).toEqual([{ tries: 1 }])
  }, 120_000)

  test('a worker that is cut off ends its tries before they start elsewhere, and none is charged', async () => {
    const proxy = await openProxy(database.connectionString)
    try {
      await start('scheduler')
      const worker = await start('worker', { DATABASE_URL: proxy.connectionString })
      const runs = [await queue('held'), await queue('apart')]
      const first = await begun(2)
      proxy.freeze(true)
      await until(() => worker.stdout().includes('running tries are aborted'))
      const child = first.map(({ pid }) => pid).find((pid) => pid !== pidOf(worker)) ?? 0
      await until(() => !isAlive(child))
      expect(await begun()).toHaveLength(2)
      await start('worker')
      await begun(4)
      proxy.mend()
      await until(() => worker.stdout().includes('it continues with a new job id'))
      await letGo()
      for (const [index, dagId] of ['held', 'apart'].entries())
        expect(await ended(dagId, runs[index] ?? '')).toMatchObject({
          state: 'success',
          task_instances: [{ try_number: 2 }],
        })
      const { rows } = await database.pool.query('select lost, failures from metadata.task_instance')
      expect(rows).toEqual([
        { lost: 0, failures: 0 },
        { lost: 0, failures: 0 },
      ])
    } finally {
      proxy.close()
    }
  }, 120_000)

  test('the migration of another application that uses graphile-worker does not stop a worker', async () => {
    const [, worker] = [await start('scheduler'), await start('worker')]
    const engineId = async () =>
      (await database.pool.query(`select engine_id from metadata.job where kind = 'worker' and state = 'running'`)).rows
    await until(async () => (await engineId())[0]?.engine_id !== null)
    const before = await engineId()
    const migration = JSON.stringify({ migrationNumber: 99, breaking: true })
    await database.pool.query(`select pg_notify('worker:migrate', $1)`, [migration])
    expect(await ended('chain', await queue('chain'))).toMatchObject({ state: 'success' })
    expect(await engineId()).toEqual(before)
    worker.process.kill('SIGTERM')
    expect((await worker.ended).code).toBe(0)
  })

  test('a process with EXECUTOR=local that takes over a run starts its tries again, and the worker aborts them', async () => {
    const [owner, worker] = [await start('scheduler'), await start('worker')]
    const runId = await queue('held')
    await begun()
    owner.process.kill('SIGKILL')
    const local = await start('scheduler', { EXECUTOR: 'local' })
    const [, second] = await begun(2)
    expect(second).toMatchObject({ try_number: 2, pid: pidOf(local) })
    await until(async () => (await effects()).some(({ what, pid }) => what === 'aborted' && pid === pidOf(worker)))
    await letGo()
    expect(await ended('held', runId)).toMatchObject({ state: 'success', task_instances: [{ try_number: 2 }] })
  })
})

describe('what is refused', () => {
  const env = () => ({ DATABASE_URL: database.connectionString, PIPELINES_DIR: PIPELINES })

  test('a worker without EXECUTOR=distributed', async () => {
    const { code, stderr } = await runCli(['worker'], { env: env() })
    expect([code, stderr]).toEqual([2, expect.stringContaining('A worker needs EXECUTOR=distributed')])
  })

  test('a pipeline without a living worker, and a trigger says so', async () => {
    // A worker whose event loop was blocked when it was killed counts as alive until its heartbeat is old.
    await until(async () => (await listWorkers(metadata())).length === 0)
    const settings = { ...env(), EXECUTOR: 'distributed' }
    const { code, stderr } = await runCli(['pipeline', 'chain'], { env: settings })
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining("No worker is running, so no task of dag 'chain' can start."),
    ])
    expect((await database.pool.query('select from metadata.dag_run')).rowCount).toBe(0)
    const triggered = await runCli(['dags', 'trigger', 'chain'], { env: settings })
    expect([triggered.code, triggered.stdout]).toEqual([0, expect.stringContaining('No worker is running')])
  })

  test('a test run needs no worker: it runs in its own process', async () => {
    const { code } = await runCli(['dags', 'test', 'chain'], { env: { ...env(), EXECUTOR: 'distributed' } })
    expect(code).toBe(0)
  })

  test.each(['worker', 'scheduler'])('%s without the package: the error says what to install', async (verb) => {
    const module = (code: string) => `data:text/javascript,${encodeURIComponent(code).replaceAll("'", '%27')}`
    const hook = module(`export async function resolve(name, context, next) {
      if (name === 'graphile-worker') throw Object.assign(new Error('gone'), { code: 'ERR_MODULE_NOT_FOUND' })
      return next(name, context)
    }`)
    const missing = module(`import { register } from 'node:module'; register('${hook}')`)
    const settings = { EXECUTOR: 'distributed', NODE_OPTIONS: `--import=${missing}` }
    const { code, stderr } = await runCli([verb], { env: { ...env(), ...settings } })
    expect([code, stderr]).toEqual([2, expect.stringContaining('run npm install graphile-worker@0.17.3')])
  })
})
