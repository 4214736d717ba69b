import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openHttp } from '#src/connectors/http.ts'
import type { Dag } from '#src/dag/dag.ts'
import { BY_INDEX } from '#src/db/client.ts'
import { type Database, openPool } from '#src/db/pool.ts'
import { isolatedExecutor } from '#src/executors/isolated.ts'
import { localExecutor } from '#src/executors/local.ts'
import { loadDags } from '#src/load-dags.ts'
import { openLog } from '#src/log.ts'
import { migrateMetadata } from '#src/maintenance/schema.ts'
import { openMetadata } from '#src/metadata/metadata.ts'
import { Job } from '#src/processes/job.ts'
import { Runner } from '#src/runner/runner.ts'
import { Children } from '#src/worker/children.ts'
import { median, report, timed, withServer } from './measure.ts'

const PIPELINES = fileURLToPath(new URL('pipelines', import.meta.url))
const ROUNDS = 7
const RUNS = 50
const scrub = (text: string) => text

/** An isolated task compared with one in this process, and its first start with Node loading the same dag. */
export async function bench(): Promise<void> {
  await withServer(async (connectionString, pool) => {
    await migrateMetadata(pool, 'metadata')
    const { dags, files } = await loadDags(PIPELINES)
    const [noop] = dags.values()
    if (noop === undefined) throw new Error(`no dag in ${PIPELINES}`)
    await warm(connectionString, pool, noop, files)
    await cold(connectionString, pool, noop, files)
  })
}

async function warm(connectionString: string, pool: Database, dag: Dag, files: Map<string, string>): Promise<void> {
  const inside = await open(connectionString, pool, dag, files, 'none')
  const isolated = await open(connectionString, pool, dag, files, 'all')
  await many(() => Promise.all([inside.run(), isolated.run()]))
  const ours: number[] = []
  const floors: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    floors.push(await timed(() => many(inside.run)))
    ours.push(await timed(() => many(isolated.run)))
  }
  await inside.close()
  await isolated.close()
  const [a, b] = [median(ours) / RUNS, median(floors) / RUNS]
  report('an isolated no-op in a warm child', `${a.toFixed(2)} ms / in process ${b.toFixed(2)} ms`, a / b, 3, 'at most')
}

async function cold(connectionString: string, pool: Database, dag: Dag, files: Map<string, string>): Promise<void> {
  const file = files.get(dag.id) ?? ''
  const ours: number[] = []
  const floors: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    floors.push(await timed(() => once(spawn(process.execPath, ['--import', 'tsx', file]), 'close')))
    const isolated = await open(connectionString, pool, dag, files, 'all')
    ours.push(await timed(isolated.run))
    await isolated.close()
  }
  const [a, b] = [median(ours), median(floors)]
  report('its first start', `${a.toFixed(0)} ms / node --import tsx ${b.toFixed(0)} ms`, a / b, 1.5, 'at most')
}

async function many(run: () => Promise<unknown>): Promise<void> {
  for (let left = RUNS; left > 0; left--) await run()
}

async function open(
  connectionString: string,
  pool: Database,
  dag: Dag,
  files: Map<string, string>,
  isolation: 'all' | 'none',
): Promise<{ run(): Promise<unknown>; close(): Promise<void> }> {
  const log = openLog({ level: 'warn', format: 'json', scrub })
  const runnerPool = openPool(connectionString, { max: 4, settings: BY_INDEX })
  const db = openMetadata(runnerPool, 'metadata')
  const job = new Job({ db, connectionString, pools: [], kind: 'pipeline', dags: [], codeVersion: null, log })
  await job.open()
  const noop = () => {}
  const now = () => new Date()
  const local = localExecutor(4, {
    db: pool,
    openHttp: (signal) => openHttp({ userAgent: 'bench', signal }),
    settingsOf: () => ({}),
    childRun: async () => {},
    now,
    log: () => ({ debug: noop, info: noop, warn: noop, error: noop }),
    scrub,
  })
  const shared = { codeVersion: null, pipelinesDir: PIPELINES, env: {}, databaseUrl: connectionString, unnamed: false }
  const children = new Children({ slots: 4, loaded: { files }, shared, now, scrub, log })
  const executor = isolatedExecutor(local, isolation, children)
  const runner = new Runner({ db, job, dags: new Map([[dag.id, dag]]), executor, log })
  await job.listen(runner)
  const run = async () => {
    const { state, reason } = await (await runner.run(dag, { logicalDate: new Date() })).finished
    if (state !== 'success') throw new Error(`the run is ${state}: ${reason}`)
  }
  const close = async () => {
    await runner.drained()
    await executor.close()
    await job.close('success', null)
    await runnerPool.end()
  }
  return { run, close }
}
