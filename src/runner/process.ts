import type { Logger } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'

/** The process of the runner: one that renews a lease and can be declared dead. */
export interface OwnJob {
  /** Its id changes when the process loses its lease. */
  readonly id: number
  /** A run could not be written: the process gives up all its runs, and takes a new id. */
  stepDown(): void
  /** See `Attempt.confirm`. */
  confirmAlive(): Promise<void> | undefined
}

/** The objects that all parts of a runner use. */
export interface JobContext {
  /** The pool for the runner's statements. In a long-lived process, its connections use the settings BY_INDEX. */
  db: Metadata
  job: OwnJob
  log: Logger
}

export interface JobListener {
  /** A queued run may be available: a process queued, released or finished a run. */
  runsWaiting(): void
  /** A slot of a pool was freed. */
  slotsFreed(): void
  /**
   * Another process changed this run, or any run if no id is passed. With `parentTask`, only a run that this task started
   * has ended.
   */
  runChanged(dagRunId?: number, parentTask?: string): void
  /** Workers may have reported the ends of tries. Also called once a second. */
  reported(): void
  /** This process was declared dead and lost its runs. From now on it has a new job id. */
  leaseLost(): void
}
