import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type Dag, dag } from '../src/dag/dag.ts'

import { registerDag } from '../src/metadata/dags.ts'
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

const RUNS = 60
const SOURCES = fileURLToPath(new URL('../src/', import.meta.url))
const REASON = '3 of 400 rows have no price: SKU-40012, SKU-40377, SKU-41002'
const ERROR = `Error: ${REASON}
    at checkPrices (/srv/pipelines/import-orders/check-prices.ts:41:11)
    at async Object.run (/srv/pipelines/import-orders/dag.ts:38:5)
    at async runTask (${SOURCES}runner/execute.ts:61:20)
    at async withTimeout (${SOURCES}runner/execute.ts:94:12) {
  [cause]: TypeError: Cannot read properties of null (reading 'currency')
      at currencyOf (/srv/pipelines/import-orders/money.ts:12:27)
      at node:internal/process/task_queues:105:5
}`

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

/** Stores the runs of all dags, with jobs, pools and logs. Times count back from `now`. */
export async function placeSampleRuns(db: Metadata, now: Date): Promise<void> {
  await db.query(`insert into metadata.pool (pool, slots, description) values
    ('warehouse', 4, 'Connections to the warehouse'), ('partner-api', 1, 'The partner allows one request at a time')`)
  const jobs = await placeJobs(db)
  for (const one of QUIET_DAGS) await registerDag(db, one)
  for (const one of SAMPLE_DAGS) await placeRuns(db, one, now, jobs)
  await db.query(`update metadata.dag_run set parent_task_id = 'publish', parent_dag_run_id = (select dag_run_id
      from metadata.dag_run where dag_id = 'import-orders' and state = 'success' order by 1 desc limit 1)
    where dag_run_id = (select max(dag_run_id) from metadata.dag_run where dag_id = 'refresh-pages' and state = 'success')`)
  await db.query(`insert into metadata.pool_slot (pool, dag_run_id, task_id, try_number, job_id)
    select 'warehouse', dag_run_id, task_id, try_number, job_id from metadata.task_instance where state = 'running' limit 4`)
  await placeLogs(db)
}

async function placeJobs(db: Metadata): Promise<number> {
  const { rows } = await db.query<{
    job_id: number
  }>(`insert into metadata.job (kind, hostname, pid, state, reason, queues, slots,
      tminus_version, code_version, blocked_since, blocked_by, dags, started_at, heartbeat_at, ended_at)
    select kind, host, pid, state, reason, queues::text[], slots, version, '5f3a9c01d2e4', now() - blocked * interval '1 s',
      case when blocked > 0 then 'warehouse/check_stock_levels' end, '{"warehouse":"1","import-orders":"2"}',
      now() - interval '26 h', now() - interval '3 s', case when state <> 'running' then now() - interval '3 h' end
    from (values
      ('start', 'runner-1', 4211, 'running', null, null, 8, '0.1.0', null),
      ('worker', 'gpu-worker-7.eu-central.internal', 87, 'running', null, '{gpu,default}', 4, '0.1.0', 42),
      ('worker', 'gpu-worker-8.eu-central.internal', 91, 'running', null, '{default}', 4, '0.0.9', null),
      ('scheduler', 'runner-2', 990, 'success', null, null, null, '0.1.0', null),
      ('start', 'runner-1', 3990, 'failed', 'its lease expired, and its session ended with it', null, 8, '0.1.0', null),
      ('pipeline', 'laptop', 51022, 'failed', 'interrupted', null, 8, '0.1.0', null)
    ) j (kind, host, pid, state, reason, queues, slots, version, blocked) returning job_id`)
  return rows[0]?.job_id ?? 0
}

async function placeRuns(db: Metadata, one: Dag, now: Date, job: number): Promise<void> {
  const version = await registerDag(db, one, { since: new Date(0), now })
  for (let n = RUNS - 1; n >= 0; n--) {
    const hour = now.getTime() - (now.getTime() % 3_600_000) - n * 3_600_000
    const facts = factsOf(n)
    const queuedAt = n < 2 ? now.getTime() - (1 + n) * 60_000 : hour + 900
    const instances = facts.state === 'queued' ? [] : instancesOf(one, n, queuedAt + 1_400, now.getTime())
    const failed = instances.find(({ state }) => state === 'failed')
    const state = facts.state ?? (failed ? 'failed' : 'success')
    const ended = state === 'success' || state === 'failed' ? Math.max(...instances.map(({ end = 0 }) => end)) : null
    const type = facts.runType
    const { rows } = await db.query<{ id: number }>(
      `insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end,
         dag_version_id, conf, reason, job_id, queued_at, started_at, ended_at, note, late_at)
       values ($1, $2, $3, $4, $5, $5, $5::timestamptz + interval '1 h', $6, $7, $8, $9, $10, $11, $12, $13, $14)
       returning dag_run_id as id`,
      [
        one.id,
        `${type}__${new Date(hour).toISOString()}`,
        type,
        state,
        new Date(hour),
        version,
        facts.conf ?? {},
        failed ? `${failed.task_id} failed: ${failed.reason}` : null,
        state === 'queued' ? null : job,
        new Date(queuedAt),
        state === 'queued' ? null : new Date(queuedAt + 1_400),
        ended && new Date(ended),
        facts.note,
        facts.late ? new Date(queuedAt + 240_000) : null,
      ],
    )
    await placeInstances(db, rows[0]?.id ?? 0, instances, job)
  }
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
  for (const node of graph.nodes) {
    const upstreams = Object.values(node.upstream).map((one) => done.get(one))
    const start = Math.max(from, ...upstreams.map((one) => one?.end ?? now)) + random(node.id, n, 3) * 2_000
    const end = start + 2_000 + random(node.id, 0, 40) * 1_000 + random(node.id, n, 9) * 700
    const bad = upstreams.some((one) => one?.state === 'failed' || one?.state === 'upstream_failed')
    const one: Instance = { task_id: node.id, state: 'success', try_number: 1, start, end }
    const culprit = node.id === (id === 'import-orders' ? 'check_prices' : 'check_orders') && (n % 7 === 3 || n === 2)
    if (bad && node.triggerRule !== 'all_done')
      Object.assign(one, {
        state: 'upstream_failed',
        try_number: 0,
        start: undefined,
        end: start,
        reason: `${upstreams.find((up) => up?.state !== 'success')?.task_id} failed`,
      })
    else if (start > now) Object.assign(one, { state: 'none', try_number: 0, start: undefined, end: undefined })
    else if (n === 1 && random(node.id, 7, 5) === 0)
      Object.assign(one, {
        state: 'scheduled',
        try_number: 0,
        start: undefined,
        end: undefined,
        reason: "waits for a slot of pool 'warehouse' (4 of 4 used)",
      })
    else if (n === 1 && random(node.id, 8, 6) === 0)
      Object.assign(one, {
        state: 'up_for_retry',
        end: undefined,
        due: now + 95_000,
        error: ERROR,
        reason: `retrying in 2 m (1 of 3): ${REASON}`,
      })
    else if (end > now) Object.assign(one, { state: 'running', end: undefined })
    else if (culprit)
      Object.assign(one, {
        state: 'failed',
        try_number: 3,
        start: end + 60_000,
        end: end + 64_000,
        reason: REASON,
        error: ERROR,
      })
    else if (n === 9 && random(node.id, 3, 3) === 0)
      Object.assign(one, { state: 'skipped', reason: 'no new rows since the last run' })
    done.set(node.id, one)
    if (node.over !== undefined && one.start)
      for (const element of elementsOf(one, n, now)) done.set(element.task_id, element)
  }
  return [...done.values()]
}

function elementsOf({ task_id, start = 0 }: Instance, n: number, now: number): Instance[] {
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
     select dag_run_id, task_id, n, 'failed', reason, error, started_at - (4 - n) * interval '22 s', started_at - (4 - n) * interval '22 s' + interval '6 s'
     from metadata.task_instance, generate_series(1, 2) n where dag_run_id = $1 and state = 'failed' and try_number = 3`,
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
