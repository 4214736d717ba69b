import type { Setup } from '../app.ts'
import { retryDuringOutage } from '../db/outage.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { enqueueFirstRun } from '../operations/first-run.ts'

/**
 * Queues a run of each dag with `runsAtFirstStart` that has never run, so that the board does not wait for the first tick.
 * During an outage it tries again for a minute, or until the signal aborts.
 */
export async function queueFirstRuns(db: Metadata, { loaded, clock, log }: Setup, signal: AbortSignal): Promise<void> {
  for (const dag of loaded.dags.values()) {
    if (dag.schedule === null || dag.commands === undefined) continue
    try {
      const { runsAtFirstStart = false } = await dag.commands()
      if (!runsAtFirstStart) continue
      if (await retryDuringOutage(() => enqueueFirstRun(db, dag, clock.now()), { signal }))
        log.info({ dag_id: dag.id }, 'never ran before: runs now')
    } catch (err) {
      log.error({ err, dag_id: dag.id }, 'the first run could not be queued; the schedule starts the next one')
    }
  }
}
