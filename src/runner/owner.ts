import type { LogLine, RunChange, RunResult } from '../metadata/transitions.ts'
import type { RunView } from './active-run.ts'
import type { Admission } from './admission.ts'
import type { Executor } from './executor.ts'
import type { JobContext } from './job.ts'
import type { Writer } from './writer.ts'

/** The functions that a run needs from its owner process. */
export interface Owner extends JobContext {
  readonly executor: Executor
  readonly admission: Admission
  readonly writer: Writer
  onChange(run: RunView, change: RunChange): void
  /** Shows a task's log line. */
  onLog(line: LogLine): void
  /** This process no longer owns the run. If it lost the run, `error` says why. */
  onEnd(run: RunView, result: RunResult | Error): void
}
