import { setTimeout as delay } from 'node:timers/promises'
import { commandFor } from '../../command-for.ts'
import type { Dag } from '../../dag/dag.ts'
import { UsageError } from '../../errors.ts'
import { whyNoWorker } from '../../maintenance/not-served.ts'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { type DagRunDetails, showRun } from '../../operations/list-runs.ts'
import { enqueue } from '../../operations/trigger.ts'
import { stopSignal } from '../command-host.ts'
import { findDag, parseConf } from '../find-dag.ts'
import { parseInstant } from '../parse-option.ts'
import { staleCode } from '../stale-code.ts'
import { instant, note, say } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'

export interface TriggerOptions {
  conf?: string
  logicalDate?: string
  runId?: string
  wait?: boolean
}

/** `dags trigger <dag>`: queues a run for another process. With `--wait`, returns 1 if the run failed. */
export async function dagsTrigger(dagId: string, options: TriggerOptions): Promise<number> {
  const given = options.logicalDate === undefined ? undefined : parseInstant('--logical-date', options.logicalDate)
  return await withMetadata(async (metadata, { loaded, clock, config }) => {
    const whyWaiting: WhyWaiting = async (run) => (await readWaiting(metadata, loaded.dags, [run]))(run)
    const dag = findDag(loaded, dagId)
    const conf = parseConf(dag, options.conf)
    const trigger = { logicalDate: given ?? clock.now(), conf }
    const { runId, isNew } = await enqueue(metadata, dag, trigger, options.runId)
    if (!isNew) {
      say(await existing(metadata, dag.id, runId))
      return options.wait ? await follow(metadata, dag, runId, { whyWaiting, said: null }) : 1
    }
    say(`Queued ${runId}`)
    const stale = await staleCode(metadata, { config })
    if (stale !== undefined) note(stale)
    const why = await whyWaiting({ dag_id: dag.id, run_id: runId, state: 'queued' })
    if (why !== null) say(why)
    const noWorker = config.executor === 'distributed' ? await whyNoWorker(metadata, dag) : undefined
    if (noWorker !== undefined) say(noWorker)
    return options.wait ? await follow(metadata, dag, runId, { whyWaiting, said: noWorker ?? why }) : 0
  })
}

/** A script that repeats its call with the same `--run-id` gets the run of the first call. */
async function existing(metadata: Metadata, dagId: string, runId: string): Promise<string> {
  const run = await showRun(metadata, dagId, runId)
  if (run === undefined) throw new UsageError(`Run ${runId} was deleted meanwhile; try again`)
  const { state, logical_date } = run
  const known = `Dag '${dagId}' already has the run ${runId} (${state}, logical date ${instant(logical_date)})`
  return `${known}, so no run was queued; ${commandFor(`runs show ${dagId} ${runId}`)} shows it`
}

type WhyWaiting = (run: Pick<DagRunDetails, 'dag_id' | 'run_id' | 'state'>) => Promise<string | null>

const POLL_MS = 500

/** Every tenth poll checks why the run waits. */
const POLLS_UNTIL_WHY = 10

/**
 * Prints a line when a task instance changes its state, and when there is a new reason why the run waits.
 * Ctrl-C ends the waiting, not the run.
 */
async function follow(
  metadata: Metadata,
  dag: Dag,
  runId: string,
  { whyWaiting, said }: { whyWaiting: WhyWaiting; said: string | null },
): Promise<number> {
  const signal = stopSignal()
  const printed = new Map<string, string>()
  let lastSaid = said
  for (let polls = 1; !signal.aborted; polls++) {
    const run = await showRun(metadata, dag.id, runId)
    if (run === undefined) throw new UsageError(`Run ${runId} was deleted`)
    printChanges(run, printed)
    if (run.end_date !== null) {
      say(`run ${run.state}${run.reason === null ? '' : `: ${run.reason}`}`)
      return run.state === 'success' ? 0 : 1
    }
    if (polls % POLLS_UNTIL_WHY === 0) {
      const why = await whyWaiting(run)
      if (why !== null && why !== lastSaid) say(why)
      lastSaid = why
    }
    await delay(POLL_MS, undefined, { signal }).catch(() => {})
  }
  say(`The run continues; ${commandFor(`runs cancel ${dag.id} ${runId}`)} cancels it`)
  return 0
}

function printChanges(run: DagRunDetails, printed: Map<string, string>): void {
  for (const { task_id, state, reason } of run.task_instances) {
    const text = `${state}${reason === null ? '' : `: ${reason}`}`
    if (state === 'none' || printed.get(task_id) === text) continue
    printed.set(task_id, text)
    say(`  ${task_id} ${text}`)
  }
}
