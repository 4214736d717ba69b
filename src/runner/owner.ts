import type { LogLine, RunChange, RunResult } from '../metadata/transitions.ts'
import type { RunView } from './active-run.ts'
import type { Admission } from './admission.ts'
import type { Executor } from './executor.ts'
import type { JobContext } from './job.ts'
import type { Writer } from './writer.ts'

/** What a run needs of the process that owns it. */
export interface Owner extends JobContext {
  readonly executor: Executor
  readonly admission: Admission
  readonly writer: Writer
  onChange(run: RunView, change: RunChange): void
  /** Shows a task's log line. */
  onLog(line: LogLine): void
  /** The run is no longer owned here; an error says why it was lost. */
  onEnd(run: RunView, result: RunResult | Error): void
}
