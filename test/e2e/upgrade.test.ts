import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadDags } from '../../src/load-dags.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { showRun } from '../../src/operations/list-runs.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { VERSION } from '../../src/version.ts'
import { type Running, startNode } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'

const HERE = fileURLToPath(new URL('../..', import.meta.url))
const PIPELINES = 'test/fixtures/worker-pipelines'
const [major = 0, minor = 0] = VERSION.split('.').map(Number)
const [NEXT, AFTER_NEXT] = [`${major}.${minor + 1}.0`, `${major}.${minor + 2}.0`]
const MIGRATION = 'alter table task_instance add column of_next text; alter table job add column of_next text;'

const database = useDatabase()
const metadata = () => openMetadata(database.pool, 'metadata')
/** A copy of this checkout that calls itself a newer version, with one more migration. */
let newer: string

beforeAll(async () => {
  newer = await scratchFolder()
  for (const part of ['src', 'sql', PIPELINES]) await cp(join(HERE, part), join(newer, part), { recursive: true })
  await symlink(join(HERE, 'node_modules'), join(newer, 'node_modules'))
  await writeFile(join(newer, 'sql/metadata/9999_next.sql'), MIGRATION)
  await call(NEXT)
  await database.pool.query(
    `create table effect (run_id text, try_number int, what text, pid int, at timestamptz default clock_timestamp());
     create table held (); insert into held default values`,
  )
})

afterAll(async () => {
  await removeFolder(newer)
})

async function call(version: string): Promise<void> {
  const own = JSON.parse(await readFile(join(HERE, 'package.json'), 'utf8'))
  await writeFile(join(newer, 'package.json'), JSON.stringify({ ...own, version }))
}

function run(checkout: string, ...args: string[]): Running {
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: join(checkout, PIPELINES), WEB_PORT: '0' }
  return startNode([join(checkout, 'src/cli/main.ts'), ...args], { env: { ...env, EXECUTOR: 'distributed' } })
}

async function start(checkout: string, verb: 'scheduler' | 'worker'): Promise<Running> {
  const running = run(checkout, verb)
  const isReady = () => running.stdout().includes(verb === 'worker' ? 'executing tasks' : 'health at')
  const ended = running.ended.then(({ stderr }) => Promise.reject(new Error(stderr)))
  await Promise.race([until(async () => isReady()), ended])
  return running
}

async function stop({ process, ended }: Running): Promise<void> {
  process.kill('SIGTERM')
  await ended
}

async function queue(dagId: string): Promise<() => ReturnType<typeof showRun>> {
  const dag = (await loadDags(join(HERE, PIPELINES))).dags.get(dagId)
  if (dag === undefined) throw new Error(dagId)
  const { runId } = await enqueue(metadata(), dag, { logicalDate: new Date() })
  return () => showRun(metadata(), dagId, runId)
}

const succeeded = (run: () => ReturnType<typeof showRun>) => until(async () => (await run())?.state === 'success')
const begun = async () => (await database.pool.query('select from effect')).rowCount === 1
const owner = async () =>
  (
    await database.pool.query(
      `select tminus_version from metadata.job join metadata.dag_run using (job_id) where dag_run.state = 'running'`,
    )
  ).rows[0]?.tminus_version

test('processes of two consecutive minor versions share the runs, and a version further away is refused', async () => {
  const [oldScheduler, oldWorker] = [await start(HERE, 'scheduler'), await start(HERE, 'worker')]
  const held = await queue('held')
  await until(begun)

  // The next version migrates while the old one runs, and takes over the run of the old scheduler.
  const nextScheduler = await start(newer, 'scheduler')
  await stop(oldScheduler)
  await until(async () => (await owner()) === NEXT)
  await database.pool.query('delete from held')
  await succeeded(held)
  expect((await held())?.task_instances).toMatchObject([{ try_number: 1, state: 'success' }])

  // The old version restarts on the newer tables.
  await stop(oldWorker)
  const again = await start(HERE, 'worker')
  await succeeded(await queue('chain'))
  const { stdout } = await run(HERE, 'db', 'check').ended
  expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(
    new RegExp(
      `warn processes worker \\(process ${again.process.pid} on .+\\) runs T-minus ${VERSION}, and the newest`,
    ),
  )

  // A version further away is refused, and changes nothing.
  await call(AFTER_NEXT)
  const refused = await run(newer, 'worker').ended
  expect([refused.code, refused.stderr.replaceAll(/\s+/g, ' ')]).toEqual([
    1,
    expect.stringMatching(
      new RegExp(
        `T-minus ${AFTER_NEXT} cannot run beside worker .+, which runs ${VERSION}; upgrade or stop that worker`,
      ),
    ),
  ])
  await stop(again)

  // Without the old worker it is accepted. Then its migrations are too new for the old version.
  await stop(await start(newer, 'worker'))
  await database.pool.query('update metadata.schema_migration set applied_by = $1 where version = 9999', [AFTER_NEXT])
  const late = await run(HERE, 'worker').ended
  expect([late.code, late.stderr.replaceAll(/\s+/g, ' ')]).toEqual([
    1,
    expect.stringContaining(`was migrated by version ${AFTER_NEXT} (9999_next.sql is unknown here)`),
  ])
  await stop(nextScheduler)
  await database.pool.query('delete from metadata.schema_migration where version = 9999')
})

test('of two processes that start at the same moment, the one that registers second is refused', async () => {
  await database.pool.query(
    `create function beside() returns trigger language plpgsql as $$ begin
       insert into metadata.job (kind, hostname, pid, tminus_version) values ('scheduler', 'other', 1, '99.0.0');
       return new;
     end $$;
     create trigger beside after insert on metadata.job for each row when (new.kind = 'worker') execute function beside()`,
  )
  const refused = await run(HERE, 'worker').ended
  expect([refused.code, refused.stderr.replaceAll(/\s+/g, ' ')]).toEqual([
    1,
    expect.stringContaining(
      `T-minus ${VERSION} cannot run beside scheduler (process 1 on other), which runs 99.0.0; install 99.0.0 here first`,
    ),
  ])
  const { rows } = await database.pool.query(
    'select kind, state, reason from metadata.job order by job_id desc limit 2',
  )
  expect(rows).toEqual([
    { kind: 'scheduler', state: 'running', reason: null },
    { kind: 'worker', state: 'failed', reason: expect.stringContaining('cannot run beside') },
  ])
})
