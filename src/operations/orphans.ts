import { CoalescedWork } from '../coalesced-work.ts'
import type { Dag } from '../dag/dag.ts'
import { type DagRunState, isOver } from '../dag/state.ts'
import { logUnlessOutage } from '../db/outage.ts'
import type { Logger } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { cancelRun, lockRun } from './change-run.ts'

interface Orphan {
  dagId: string
  runId: string
  parent: string
}

const LOOK_EVERY_MS = 5_000

/**
 * Cancels the unfinished runs that are to be cancelled with their parent and whose parent was stopped. It follows from
 * the stored rows alone, so no death of a process loses one.
 */
export class Orphans {
  readonly #db: Metadata
  readonly #isNeeded: boolean
  readonly #looking: CoalescedWork
  #timer: NodeJS.Timeout | undefined

  /** @param dags if none of them starts such runs, this class does nothing */
  constructor({ db, log, dags }: { db: Metadata; log: Logger; dags: Iterable<Dag> }) {
    this.#db = db
    const tasks = [...dags].flatMap((dag) => [...dag.tasks.values()])
    this.#isNeeded = tasks.some(({ child }) => child?.cancelChildren)
    const failed = logUnlessOutage(log, 'cancelling the runs of cancelled parents failed')
    this.#looking = new CoalescedWork(() => this.#cancelAll(), failed)
  }

  /** Looks every few seconds. */
  watch(): void {
    if (this.#isNeeded) this.#timer = setInterval(() => this.#looking.request(), LOOK_EVERY_MS).unref()
  }

  /** Looks now, because a run has ended in this state. Never rejects. */
  async look(state: DagRunState): Promise<void> {
    if (this.#isNeeded && state === 'failed') await this.#looking.now()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking.done()
  }

  /** Each in its own transaction: none waits for the lock of another run. */
  async #cancelAll(): Promise<void> {
    for (const orphan of await readOrphans(this.#db)) await cancelOrphan(this.#db, orphan)
  }
}

async function cancelOrphan(db: Metadata, { dagId, runId, parent }: Orphan): Promise<void> {
  await db.transaction(async (tx) => {
    const run = await lockRun(tx, dagId, runId)
    // The parent may have been cleared since, or another process may have cancelled the run.
    if (run === undefined || isOver(run.state) || (await readOrphans(tx, run.dagRunId)).length === 0) return
    await cancelRun(tx, run, `cancelled with ${parent}, which started it`)
  })
}

/** A run that is stopping is not cancelled again, because a second cancel would skip its teardowns. */
async function readOrphans(db: Metadata, only: number | null = null): Promise<Orphan[]> {
  const { rows } = await db.query<Orphan>(
    `select c.dag_id as "dagId", c.run_id as "runId", p.dag_id || ' ' || p.run_id as parent
     from metadata.dag_run c join metadata.dag_run p on p.dag_run_id = c.parent_dag_run_id
     where c.state in ('queued', 'running') and c.cancelled_with_parent and c.stop_reason is null
       and p.state = 'failed' and p.stop_reason is not null and ($1::bigint is null or c.dag_run_id = $1)
     order by c.dag_run_id limit 1000`,
    [only],
  )
  return rows
}
