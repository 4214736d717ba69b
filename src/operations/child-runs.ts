import { z } from 'zod'
import type { Dag } from '../dag/dag.ts'
import { fail, rescheduleAt } from '../dag/ending.ts'
import { type DagRunState, isOver } from '../dag/state.ts'
import { retryDuringOutage } from '../db/outage.ts'
import { storableJson } from '../db/text.ts'
import { issueLines } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { readOutput } from '../metadata/task-instances.ts'
import type { Resources } from '../runner/execute.ts'
import type { Attempt } from '../runner/executor.ts'
import { checkConf, enqueueRun } from './trigger.ts'

/** How many runs may descend from each other. A cycle of dags that start each other ends here. */
export const MOST_LEVELS = 50

/** The end of the child wakes the parent. This check is for a notification that was lost. */
const CHECK_AFTER_MS = 60_000

export interface ChildRunsOptions {
  db: Metadata
  /** The dags that this process has loaded. */
  dags: ReadonlyMap<string, Dag>
  now(): Date
}

type Child = NonNullable<Attempt['task']['child']>

/**
 * Starts and follows the runs of tasks that have a `child`. The id of a run derives from the parent's row, the task and
 * the number of its last try before a clear: a retry finds the run, and a clear starts another one.
 */
export function childRuns({ db, dags, now }: ChildRunsOptions): Resources['childRun'] {
  return async (attempt, conf) => {
    const { child } = attempt.task
    if (child === undefined) throw fail('the task starts no run')
    const { runId, line, ...found } = await retryDuringOutage(() => readChild(db, attempt, child.dag))
    if (found.state === null) {
      const dag = startable(dags, child, line)
      await start(db, dag, attempt, runId, await conf())
    }
    const { dagRunId, state = 'queued', reason } = found
    if (!child.wait) return { state: state ?? 'queued', runId }
    const named = `run ${runId} of dag '${child.dag}'`
    if (state === null || !isOver(state))
      throw rescheduleAt(new Date(now().getTime() + CHECK_AFTER_MS), `waits for ${named}`)
    if (!child.allowedStates.includes(state)) throw fail(`${named} ended ${state}: ${reason ?? 'no reason given'}`)
    return { state, runId, output: await outputOf(db, dagRunId, child) }
  }
}

async function start(db: Metadata, dag: Dag, { run, task }: Attempt, runId: string, given: unknown): Promise<void> {
  const conf = JSON.parse(storableJson(given) ?? 'null')
  if (typeof conf !== 'object' || conf === null || Array.isArray(conf))
    throw fail(`conf must return an object of params for dag '${dag.id}'`)
  checkConf(dag, conf, 'what conf returned')
  const { logicalDate, dataIntervalStart, dagRunId } = run
  const parent = { dagRunId, taskId: task.id, cancels: task.child?.cancelChildren ?? false }
  const trigger = { logicalDate, dataIntervalStart, conf, runId, parent }
  await retryDuringOutage(() => enqueueRun(db, dag, trigger))
}

/** The dag, if it may get a run. */
function startable(dags: ChildRunsOptions['dags'], { dag: dagId, wait, output }: Child, line: readonly string[]): Dag {
  const dag = dags.get(dagId)
  if (dag === undefined) throw fail(`there is no dag '${dagId}', or it could not be loaded`)
  if (output !== undefined && dag.tasks.get(output.task)?.output === undefined)
    throw fail(`dag '${dagId}' has no task '${output.task}' with an output`)
  const path = [...line, dagId].join(' → ')
  if (wait && line.includes(dagId))
    throw fail(`dag '${dagId}' would wait for a run that descends from its own: ${path}`)
  if (line.length >= MOST_LEVELS)
    throw fail(`this run is ${MOST_LEVELS} levels below the first one, the limit for runs that start each other`)
  return dag
}

async function outputOf(db: Metadata, dagRunId: number | null, { output }: Child): Promise<unknown> {
  if (output === undefined || dagRunId === null) return undefined
  const stored = await retryDuringOutage(() => readOutput(db, dagRunId, output.task))
  if (stored === undefined) return undefined
  const { data, error } = await z.safeDecodeAsync(output.schema, stored)
  if (error === undefined) return data
  throw fail(`the output of '${output.task}' does not fit the schema: ${issueLines(error.issues).join('; ')}`)
}

interface FoundChild {
  runId: string
  /** The dags of the run and its ancestors, the oldest first. */
  line: string[]
  /** Null: the run has not been started. */
  dagRunId: number | null
  state: DagRunState | null
  reason: string | null
}

/** Throws if the try is no longer the current one. */
async function readChild(db: Metadata, { run, task, tryNumber }: Attempt, dagId: string): Promise<FoundChild> {
  const values = [run.dagRunId, task.id, tryNumber, dagId, MOST_LEVELS]
  const { rows } = await db.query<FoundChild>({ name: 'read_child', text: READ_CHILD, values })
  if (rows[0] === undefined) throw fail('the task was cleared while it ran')
  return rows[0]
}

const READ_CHILD = `
with recursive line as (
  select dag_run_id, dag_id, parent_dag_run_id, 1 as level from metadata.dag_run where dag_run_id = $1
  union all
  select p.dag_run_id, p.dag_id, p.parent_dag_run_id, level + 1
  from line join metadata.dag_run p on p.dag_run_id = line.parent_dag_run_id where level < $5
)
select w.run_id as "runId", c.dag_run_id as "dagRunId", c.state, c.reason,
  (select array_agg(dag_id order by level desc) from line) as line
from metadata.task_instance t
cross join lateral (select 'triggered__' || t.dag_run_id || '_' || t.cleared_try || '_' || t.task_id as run_id) w
left join metadata.dag_run c on c.dag_id = $4 and c.run_id = w.run_id
where t.dag_run_id = $1 and t.task_id = $2 and t.try_number = $3 and t.cleared_try < t.try_number`

/** The ids of a dag and of the dags of which its runs may start runs, directly or through other dags. */
export function withChildren(dags: ReadonlyMap<string, Dag>, dagId: string): Set<string> {
  const ids = new Set([dagId])
  // A set also iterates over what is added meanwhile.
  for (const id of ids) for (const { child } of dags.get(id)?.tasks.values() ?? []) if (child) ids.add(child.dag)
  return ids
}
