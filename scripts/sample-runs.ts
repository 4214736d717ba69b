import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type Dag, dag } from '../src/dag/dag.ts'

import { graphHash, registerDag } from '../src/metadata/dags.ts'
import type { Metadata } from '../src/metadata/metadata.ts'
import { fortyTasks } from '../test/web/forty-tasks.ts'
import { importOrders, refreshPages } from './sample-dags.ts'

/** Sixty runs of each of these dags, in all states. The newest runs are not over. */
export const SAMPLE_DAGS = [fortyTasks('warehouse'), importOrders, refreshPages]
/** Dags without a run. */
export const QUIET_DAGS = [
  dag('close-of-quarter', { description: 'Runs when somebody triggers it' }, ({ task }) => task('close', { run() {} })),
  dag('after-import', { description: 'Runs after imports', after: [importOrders] }, ({ task }) =>
    task('a', { run() {} }),
  ),
]

/** Its folder could not be loaded. */
const BROKEN_DAG = dag('broken-export', { description: 'Orders as CSV for the auditors' }, ({ task }) =>
  task('a', { run() {} }),
)

const RUNS = 60
const HOUR_MS = 3_600_000
const SOURCES = fileURLToPath(new URL('../src/', import.meta.url))
const REASON = '3 of 400 rows have no price: SKU-40012, SKU-40377, SKU-41002'
const ERROR = `Error: ${REASON}
    at checkPrices (/srv/pipelines/import-orders/check-prices.ts:41:11)
    at async Object.run (/srv/pipelines/import-orders/dag.ts:38:5)
    at async runTask (${SOURCES}runner/execute.ts:61:20)
    at async withTimeout (${SOURCES}runner/execute.ts:94:12)
caused by TypeError: Cannot read properties of null (reading 'currency')
    at currencyOf (/srv/pipelines/import-orders/money.ts:12:27)
    at node:internal/process/task_queues:105:5`

interface Instance {
  task_id: string
  state: string
  try_number: number
  reason?: string
  error?: string
  start?: number
  end?: number
  due?: number
}

interface Place {
  version: number
  /** The run is the `n`th, counted from the newest. */
  n: number
  /** ms since 1970 */
  now: number
  job: number
}

/** Stores the runs of all dags, with jobs, pools and logs. Times count back from `now`. */
export async function placeSampleRuns(db: Metadata, now: Date): Promise<void> {
  await db.query(`insert into metadata.pool (pool, slots, description) values
    ('warehouse', 4, 'Connections to the warehouse'), ('partner-api', 1, 'The partner allows one request at a time')`)
  const job = await placeJobs(db)
  for (const one of [...QUIET_DAGS, BROKEN_DAG]) await registerDag(db, one)
  await placeRuns(db, now, job)
  await db.query(`update metadata.dag_run set parent_task_id = 'publish', parent_dag_run_id = (select dag_run_id
      from metadata.dag_run where dag_id = 'import-orders' and state = 'success' order by 1 desc limit 1)
    where dag_run_id = (select max(dag_run_id) from metadata.dag_run where dag_id = 'refresh-pages' and state = 'success')`)
  await db.query(`insert into metadata.pool_slot (pool, dag_run_id, task_id, try_number, job_id)
    select 'warehouse', dag_run_id, task_id, try_number, job_id from metadata.task_instance where state = 'running' limit 4`)
  await placeLogs(db)
}

async function placeJobs(db: Metadata): Promise<number> {
  const { rows } = await db.query<{ job_id: number }>(
    `insert into metadata.job (kind, hostname, pid, state, reason, queues, slots,
      tminus_version, code_version, blocked_since, blocked_by, dags, started_at, heartbeat_at, ended_at)
    select kind, host, pid, state, reason, queues::text[], slots, version, '5f3a9c01d2e4', now() - blocked * interval '1 s',
      case when blocked > 0 then 'warehouse/check_stock_levels' end, $1::jsonb,
      now() - interval '26 h', now() - interval '3 s', case when state <> 'running' then now() - interval '3 h' end
    from (values
      ('start', 'runner-1', 4211, 'running', null, null, 32, '0.1.0', null),
      ('worker', 'gpu-worker-7.eu-central.internal', 87, 'running', null, '{gpu,default}', 4, '0.1.0', 42),
      ('worker', 'gpu-worker-8.eu-central.internal', 91, 'running', null, '{default}', 4, '0.0.9', null),
      ('scheduler', 'runner-2', 990, 'success', null, null, null, '0.1.0', null),
      ('start', 'runner-1', 3990, 'failed', 'its lease expired, and its session ended with it', null, 8, '0.1.0', null),
      ('pipeline', 'laptop', 51022, 'failed', 'interrupted', null, 8, '0.1.0', null)
    ) j (kind, host, pid, state, reason, queues, slots, version, blocked) returning job_id`,
    [Object.fromEntries([...SAMPLE_DAGS, ...QUIET_DAGS].map(({ id, graph }) => [id, graphHash(graph)]))],
  )
  return rows[0]?.job_id ?? 0
}

async function placeRuns(db: Metadata, now: Date, job: number): Promise<void> {
  const versions = new Map<Dag, number>()
  for (const one of SAMPLE_DAGS) versions.set(one, await registerDag(db, one, { since: new Date(0), now }))
  await db.query(
    `update metadata.dag set created_at = now() - interval '90 days', last_seen_at = now() - interval '26 h'`,
  )
  for (let n = RUNS - 1; n >= 0; n--)
    for (const [one, version] of versions) await placeRun(db, one, { version, n, now: now.getTime(), job })
}

async function placeRun(db: Metadata, one: Dag, { version, n, now, job }: Place): Promise<void> {
  const hour = now - (now % HOUR_MS) - n * HOUR_MS
  const { runType, conf = {}, note, late, ...facts } = factsOf(n)
  const queuedAt = n < 2 ? now - (1 + n) * 70_000 : hour + 900
  const startedAt = facts.state === 'queued' ? null : queuedAt + 1_400
  const instances = startedAt === null ? [] : instancesOf(one, n, startedAt, now)
  const failed = instances.find(({ state }) => state === 'failed')
  const state = facts.state ?? (failed ? 'failed' : 'success')
  const endedAt = facts.state ? null : Math.max(...instances.map(({ end = 0 }) => end))
  const reason = failed ? `${failed.task_id} failed: ${failed.reason}` : null
  const { rows } = await db.query<{ id: number }>(
    `insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end,
       dag_version_id, conf, reason, job_id, queued_at, started_at, ended_at, note, late_at)
     values ($1, $2, $3, $4, $5, $5, $5::timestamptz + interval '1 h', $6, $7, $8, $9, to_timestamp($10), to_timestamp($11),
       to_timestamp($12), $13, case when $14 then to_timestamp($10) + interval '2 min' end)
     returning dag_run_id as id`,
    [
      ...[one.id, `${runType}__${new Date(hour).toISOString()}`, runType, state, new Date(hour), version, conf, reason],
      ...[startedAt && job, queuedAt / 1_000, startedAt && startedAt / 1_000, endedAt && endedAt / 1_000, note, late],
    ],
  )
  await placeInstances(db, rows[0]?.id ?? 0, instances, job)
}

/** Of the run that is the `n`th, counted from the newest. */
function factsOf(n: number) {
  const conf = { source: 'partner', rows: 250, since: '2026-08-01', regions: ['emea', 'apac'], dry: true }
  const runType = n === 4 ? 'manual' : n >= 20 && n < 26 ? 'backfill' : 'scheduled'
  return {
    runType,
    state: n === 0 ? 'queued' : n === 1 ? 'running' : undefined,
    conf: runType === 'manual' ? conf : undefined,
    note:
      n === 4 ? 'Asked for by finance: prices of August, before the audit. See https://example.org/tickets/8123' : null,
    late: n === 6,
  }
}

/** Plays a run: a task starts when its upstreams have ended. What would happen after `now` has not happened. */
function instancesOf({ id, graph }: Dag, n: number, from: number, now: number): Instance[] {
  const done = new Map<string, Instance>()
  for (const { id: task_id, upstream, triggerRule, over } of graph.nodes) {
    const upstreams = Object.values(upstream).flatMap((one) => done.get(one) ?? [])
    const start = Math.max(from, ...upstreams.map(({ end }) => end ?? Infinity)) + random(task_id, n, 3) * 2_000
    const bad = upstreams.find(({ state }) => state === 'failed' || state === 'upstream_failed')
    if (bad !== undefined && triggerRule !== 'all_done') {
      const reason = `${bad.task_id} failed`
      done.set(task_id, { task_id, state: 'upstream_failed', try_number: 0, end: start, reason })
    } else if (start > now) done.set(task_id, { task_id, state: 'none', try_number: 0 })
    else {
      const one = { task_id, start, end: start + 2_000 + random(task_id, 0, 40) * 1_000 + random(task_id, n, 9) * 700 }
      const elements = over === undefined ? [] : elementsOf(one, n, now)
      for (const each of [over === undefined ? played(id, one, n, now) : summary(one, elements), ...elements])
        done.set(each.task_id, each)
    }
  }
  return [...done.values()]
}

type Started = Pick<Instance, 'task_id'> & { start: number; end: number }

/** A started task of the dag. Some fail, are skipped or wait. */
function played(dagId: string, { task_id, start, end }: Started, n: number, now: number): Instance {
  const isCulprit = task_id === (dagId === 'import-orders' ? 'check_prices' : 'check_orders')
  const isUnlucky = (luck: number) => n === 1 && dagId === 'warehouse' && random(task_id, luck, 6) === 0
  if (isUnlucky(7)) return { task_id, state: 'scheduled', try_number: 0, reason: 'waits for a slot of warehouse' }
  if (isUnlucky(8)) {
    const reason = `retrying in 95 s (1 of 3): ${REASON}`
    return { task_id, state: 'up_for_retry', try_number: 1, start, due: now + 95_000, error: ERROR, reason }
  }
  if (end > now) return { task_id, state: 'running', try_number: 1, start }
  if (isCulprit && (n % 7 === 3 || n === 2)) {
    const last = { start: end + 60_000, end: end + 64_000 }
    return { task_id, state: 'failed', try_number: 3, ...last, reason: REASON, error: ERROR }
  }
  const isSkipped = n === 9 && random(task_id, 3, 3) === 0
  const facts = { task_id, try_number: 1, start, end }
  return isSkipped ? { ...facts, state: 'skipped', reason: 'no new rows' } : { ...facts, state: 'success' }
}

/** A mapped task, which ends with its last element. */
function summary({ task_id }: Started, elements: readonly Instance[]): Instance {
  if (elements.some(({ end }) => end === undefined)) return { task_id, state: 'none', try_number: 0 }
  const end = Math.max(...elements.map(({ end = 0 }) => end))
  const failed = elements.find(({ state }) => state === 'failed')
  if (failed === undefined) return { task_id, state: 'success', try_number: 0, end }
  return { task_id, state: 'upstream_failed', try_number: 0, end, reason: `${failed.task_id} failed` }
}

function elementsOf({ task_id, start }: Started, n: number, now: number): Instance[] {
  return Array.from({ length: 24 }, (_, index) => {
    const from = start + index * 900
    const end = from + 3_000 + random(task_id, index, 12) * 900
    const state = from > now ? 'queued' : end > now ? 'running' : n % 5 === 3 && index === 7 ? 'failed' : 'success'
    const over = state === 'success' || state === 'failed'
    return {
      task_id: `${task_id}[${index}]`,
      state,
      try_number: 1,
      start: from,
      ...(over && { end }),
      ...(state === 'failed' && { reason: REASON, error: ERROR }),
    }
  })
}

function random(text: string, n: number, below: number): number {
  return createHash('md5').update(`${text} ${n}`).digest().readUInt16BE(0) % below
}

async function placeInstances(db: Metadata, run: number, instances: readonly Instance[], job: number): Promise<void> {
  const rows = JSON.stringify(instances)
  await db.query(
    `insert into metadata.task_instance (dag_run_id, task_id, state, try_number, failures, reason, error, started_at, ended_at, due_at, job_id)
     select $1, task_id, state, try_number, 0, reason, error, to_timestamp(start / 1000), to_timestamp("end" / 1000),
       to_timestamp(due / 1000), case when start is not null then $3::bigint end
     from jsonb_to_recordset($2::jsonb) as t (task_id text, state text, try_number int, reason text, error text,
       start float8, "end" float8, due float8)`,
    [run, rows, job],
  )
  await db.query(
    `insert into metadata.task_instance_history (dag_run_id, task_id, try_number, state, reason, error, started_at, ended_at)
     select dag_run_id, task_id, n, 'failed', reason, error, started_at - (try_number - n) * interval '22 s',
       started_at - (try_number - n) * interval '22 s' + interval '6 s'
     from metadata.task_instance, generate_series(1, try_number) n
     where dag_run_id = $1 and (state = 'up_for_retry' or state = 'failed' and n < try_number)`,
    [run],
  )
}

/** The last try of each failed task has a long log with equal lines and long lines. */
async function placeLogs(db: Metadata): Promise<void> {
  await db.query(
    `insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message, fields)
     select dag_run_id, task_id, try_number, started_at + n * interval '11 ms',
       case when n = 397 then 'error' when n % 60 = 0 then 'warn' when n % 9 = 0 then 'debug' else 'info' end,
       case when n between 41 and 52 then 'waiting for the partner to answer'
         when n % 60 = 0 then format('slow answer: %s ms for page %s; the limit of the partner is 60 requests a minute, and 3 workers share it', 900 + n, n)
         when n = 397 then $1 when n = 200 then repeat('{"sku":"SKU-40012","price":null,"currency":"EUR"},', 12)
         else format('page %s: %s rows', n, 40 + n % 17) end,
       case when n % 60 = 0 then jsonb_build_object('page', n, 'ms', 900 + n, 'url', 'https://partner.example/v2/orders?page=' || n) end
     from metadata.task_instance, generate_series(1, 400) n
     where state = 'failed' and dag_run_id >= (select max(dag_run_id) - 20 from metadata.dag_run where dag_id = 'import-orders')`,
    [REASON],
  )
}
