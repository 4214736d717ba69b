import { setTimeout as delay } from 'node:timers/promises'
import { commandFor } from '../../command-for.ts'
import type { Dag } from '../../dag/dag.ts'
import { UsageError } from '../../errors.ts'
import { whyNotTaken } from '../../maintenance/takes-up.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { type DagRunDetails, showRun } from '../../operations/list-runs.ts'
import { enqueue } from '../../operations/trigger.ts'
import { stopSignal } from '../command-host.ts'
import { findDag, parseConf } from '../find-dag.ts'
import { parseInstant } from '../instant-option.ts'
import { say } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'

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
    const { runId } = await enqueue(metadata, dag, { logicalDate: given ?? clock.now(), conf })
    say(`Queued ${runId}`)
    const why = await whyNotTaken(metadata, dag)
    if (why !== undefined) say(why)
    return options.wait ? await follow(metadata, dag, runId, why) : 0
  })
}

const LOOK_EVERY_MS = 500

/** While a run is queued, every so many looks: whether a process takes it up. */
const LOOKS_UNTIL_WHY = 10

/**
 * A line for each task instance that has moved on, and one while the run is queued when the reason for it changes.
 * Ctrl-C ends the waiting and not the run.
 */
async function follow(metadata: Metadata, dag: Dag, runId: string, said: string | undefined): Promise<number> {
  const signal = stopSignal()
  const told = new Map<string, string>()
  let lastSaid = said
  for (let looks = 1; !signal.aborted; looks++) {
    const run = await showRun(metadata, dag.id, runId)
    if (run === undefined) throw new UsageError(`Run ${runId} is not there any more: somebody has deleted it`)
    tell(run, told)
    if (run.end_date !== null) {
      say(`run ${run.state}${run.reason === null ? '' : `: ${run.reason}`}`)
      return run.state === 'success' ? 0 : 1
    }
    if (run.state === 'queued' && looks % LOOKS_UNTIL_WHY === 0) {
      const why = await whyNotTaken(metadata, dag)
      if (why !== undefined && why !== lastSaid) say(why)
      lastSaid = why
    }
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => {})
  }
  say(`The run goes on; ${commandFor(`runs cancel ${dag.id} ${runId}`)} ends it`)
  return 0
}

function tell(run: DagRunDetails, told: Map<string, string>): void {
  for (const { task_id, state, reason } of run.task_instances) {
    const text = `${state}${reason === null ? '' : `: ${reason}`}`
    if (state === 'none' || told.get(task_id) === text) continue
    told.set(task_id, text)
    say(`  ${task_id} ${text}`)
  }
}
