import { dueAfter } from '../clock.ts'
import { CoalescedWork } from '../coalesced-work.ts'
import { logUnlessOutage } from '../db/outage.ts'
import { identifierOf } from '../metadata/dags.ts'
import type { TryKey } from '../metadata/task-instances.ts'
import { type Report, readReports } from '../metadata/task-reports.ts'
import type { Ending } from '../metadata/transitions.ts'
import { failure } from '../runner/active-run.ts'
import type { Executor } from '../runner/executor.ts'
import type { JobContext } from '../runner/job.ts'

/** Attempts of one owner that wait for a worker or run on one. */
const SLOTS = 1_000

/**
 * Has workers execute the attempts: an attempt ends when its worker has reported. An abort ends it at once: the worker
 * finds out by the stored state. Reports are rows, so none is lost with a process or a notification.
 *
 * @param schema the schema of graphile-worker
 */
export function distributedExecutor(
  { db, job, log }: JobContext,
  schema: string,
  isolates: Executor['isolates'],
): Executor {
  const waiting = new Map<string, (ending: Ending) => void>()
  /** Reported, but not waited for yet: the answer to the claim is still under way. */
  let early = new Map<string, Report>()
  const read = async () => {
    const reports = new Map((await readReports(db, job.id)).map((report) => [keyOf(report), report]))
    early = reports
    for (const [key, report] of reports) waiting.get(key)?.(endingOf(report))
  }
  const reading = new CoalescedWork(read, logUnlessOutage(log, 'reading the reports of workers failed'))
  const execute: Executor['execute'] = ({ run, task, tryNumber, abort }) =>
    new Promise((resolve) => {
      const key = keyOf({ dagRunId: run.dagRunId, taskId: task.id, tryNumber })
      const end = (ending: Ending) => {
        if (waiting.get(key) === end) waiting.delete(key)
        resolve(ending)
      }
      const report = early.get(key)
      waiting.set(key, end)
      abort.onAbort = ({ message }) => end(failure(message))
      if (abort.reason !== undefined) end(failure(abort.reason.message))
      else if (report !== undefined) end(endingOf(report))
    })
  return {
    slots: SLOTS,
    isolates,
    handOver: {
      sql: ADD_JOBS.replaceAll('ENGINE', `"${schema}"`),
      jobOf: (dag, taskId) => ({
        taskId,
        identifier: identifierOf(dag),
        priority: dag.tasks.get(taskId)?.priority ?? 0,
      }),
    },
    execute,
    reported: () => reading.request(),
    close: () => reading.done(),
  }
}

/** Without `having`, a change that starts nothing would wake every worker. The engine starts low numbers first. */
const ADD_JOBS = `
select ENGINE.add_jobs(array_agg((identifier, payload, null, run_at, 25, null,
  greatest(-32768, least(32767, -priority)), null)::ENGINE.job_spec))
from jobs having count(*) > 0`

function keyOf({ dagRunId, taskId, tryNumber }: TryKey): string {
  return `${dagRunId} ${tryNumber} ${taskId}`
}

/** A worker reports a wait, because its clock may differ. */
function endingOf({ ending: { waitMs, ...ending } }: Report): Ending {
  return (waitMs === undefined ? ending : { ...ending, dueAt: dueAfter(waitMs) }) as Ending
}
