import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import { UsageError } from '../errors.ts'
import { type DagRunDetails, insertRuns, showRun } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { newRunId } from '../runner/run-id.ts'
import { stopSignal } from './command-host.ts'
import { findDag, parseConf } from './find-dag.ts'
import { parseInstant } from './instant-option.ts'
import { sayIfNobodyRuns } from './operate.ts'
import { print } from './table.ts'
import { withMetadata } from './with-metadata.ts'

export interface TriggerOptions {
  conf?: string
  logicalDate?: string
  wait?: boolean
}

/** `dags trigger <dag>`: a queued run that is nobody's yet. With `--wait` 1 where the run has failed. */
export async function dagsTrigger(dagId: string, options: TriggerOptions): Promise<number> {
  const given = options.logicalDate === undefined ? undefined : parseInstant('--logical-date', options.logicalDate)
  return await withMetadata(async (metadata, { loaded, clock }) => {
    const dag = findDag(loaded, dagId)
    const conf = parseConf(dag, options.conf)
    const runId = await queue(metadata, dag, given ?? clock.now(), conf)
    print(`Queued ${runId}`)
    await sayIfNobodyRuns(metadata)
    return options.wait ? await follow(metadata, dag, runId) : 0
  })
}

/** Those who execute are told of it. */
async function queue(metadata: Metadata, dag: Dag, logicalDate: Date, conf: Record<string, unknown>): Promise<string> {
  const run = {
    dagId: dag.id,
    dagVersionId: await registerDag(metadata, dag),
    runId: newRunId('manual', logicalDate),
    runType: 'manual' as const,
    logicalDate,
    dataIntervalStart: logicalDate,
    dataIntervalEnd: logicalDate,
    conf,
  }
  await insertRuns(metadata, 0, [{ run, taskIds: dag.graph.taskIds, started: new Set(), owned: false }])
  return run.runId
}

const LOOK_EVERY_MS = 500

/** A line for each task instance that has moved on. Ctrl-C ends the waiting and not the run. */
async function follow(metadata: Metadata, dag: Dag, runId: string): Promise<number> {
  const signal = stopSignal()
  const told = new Map<string, string>()
  while (!signal.aborted) {
    const run = await showRun(metadata, dag.id, runId)
    if (run === undefined) throw new UsageError(`Run ${runId} is not there any more: somebody has deleted it`)
    tell(run, told)
    if (run.end_date !== null) {
      print(`run ${run.state}${run.reason === null ? '' : `: ${run.reason}`}`)
      return run.state === 'success' ? 0 : 1
    }
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => {})
  }
  print(`The run goes on without us; npm run cli -- runs cancel ${dag.id} ${runId} would end it`)
  return 0
}

function tell(run: DagRunDetails, told: Map<string, string>): void {
  for (const { task_id, state, reason } of run.task_instances) {
    const text = `${state}${reason === null ? '' : `: ${reason}`}`
    if (state === 'none' || told.get(task_id) === text) continue
    told.set(task_id, text)
    print(`  ${task_id} ${text}`)
  }
}
