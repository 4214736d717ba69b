import { dueAfter } from '../clock.ts'
import { CoalescedWork } from '../coalesced-work.ts'
import type { TryKey } from '../metadata/task-instances.ts'
import type { Ending } from '../metadata/transitions.ts'
import { failure } from '../runner/active-run.ts'
import type { Executor, Report } from '../runner/executor.ts'

export interface DistributedOptions extends Pick<Executor, 'isolates'> {
  handOver: NonNullable<Executor['handOver']>
  /** Reads the reports for the runs of this process. The statement that ends a try deletes its report. */
  readReports(): Promise<Report[]>
  failed(error: Error): void
}

/** The attempts of one owner that wait for a worker or run on a worker. */
const SLOTS = 1_000

/**
 * An executor that sends the attempts to workers. An attempt ends when its worker has reported. An abort ends the
 * attempt at once. The worker sees the abort in the stored state. Reports are rows, so a dead process or a missed
 * notification loses no report.
 */
export function distributedExecutor({ isolates, handOver, readReports, failed }: DistributedOptions): Executor {
  const waiting = new Map<string, (ending: Ending) => void>()
  /** The reports of the last read. A report may arrive here before the answer to the claim of its attempt. */
  let reports = new Map<string, Report>()
  const read = async () => {
    reports = new Map((await readReports()).map((report) => [keyOf(report), report]))
    for (const [key, report] of reports) waiting.get(key)?.(endingOf(report))
  }
  const reading = new CoalescedWork(read, failed)
  const execute: Executor['execute'] = ({ run: { dagRunId }, task, tryNumber, abort }) =>
    new Promise((resolve) => {
      const key = keyOf({ dagRunId, taskId: task.id, tryNumber })
      const end = (ending: Ending) => {
        if (waiting.get(key) === end) waiting.delete(key)
        resolve(ending)
      }
      waiting.set(key, end)
      abort.onAbort = ({ message }) => end(failure(message))
      const report = reports.get(key)
      if (abort.reason !== undefined) end(failure(abort.reason.message))
      else if (report !== undefined) end(endingOf(report))
    })
  return { slots: SLOTS, isolates, handOver, execute, reported: () => reading.request(), close: () => reading.done() }
}

function keyOf({ dagRunId, taskId, tryNumber }: TryKey): string {
  return `${dagRunId} ${tryNumber} ${taskId}`
}

function endingOf({ ending: { waitMs, ...ending } }: Report): Ending {
  return (waitMs === undefined ? ending : { ...ending, dueAt: dueAfter(waitMs) }) as Ending
}
