import { z } from 'zod'
import type { DagRun } from '../metadata/dag-runs.ts'
import type { Ending, LoggedLine } from '../metadata/transitions.ts'

/** The messages from the parent to a child. The channel copies values as `structuredClone` does. */
export type Order = Opening | Start | Output | { kind: 'abort'; message: string; code: string; retryable: boolean }

/** Loads a dag. A child gets this message once, before its first try. */
export interface Opening {
  kind: 'open'
  dagId: string
  /** The file of the dag. */
  file: string
  /** Hash of the graph that the parent has loaded. */
  graphHash: string
  /** Hash of the code that the parent has loaded; null if unknown. */
  codeVersion: string | null
  pipelinesDir: string
  /** The child reads the settings from these variables. */
  env: Readonly<Record<string, string | undefined>>
  /** Contains the password. */
  databaseUrl: string
  /** True: sends statements without names, because a pooler needs that. */
  unnamed: boolean
  /** The time for tasks, minus the system's time. */
  clockOffsetMs: number
}

/** Starts a try. */
export interface Start {
  kind: 'start'
  run: DagRun
  taskId: string
  tryNumber: number
  failures: number
  firstStartedAt: Date
  /** The line that the child prints on both streams after the try. */
  endMark: string
}

/** The answer to `read`. */
export interface Output {
  kind: 'output'
  taskId: string
  value?: unknown
  /** The reason why the output could not be read. */
  problem?: string
}

/** The messages from a child to the parent. */
export type Report =
  /** The dag is loaded. */
  | { kind: 'opened'; codeVersion: string | null }
  /** The dag could not be loaded. */
  | { kind: 'refused'; message: string; error: string }
  | { kind: 'log'; lines: LoggedLine[] }
  /** The task asks for the output of an upstream task. */
  | { kind: 'read'; taskId: string }
  | { kind: 'ended'; ending: Ending }
  /** The try has ended and its output is flushed. `left`: why the child must not be used again; null if it is clean. */
  | { kind: 'settled'; left: string | null }
  /** An error of a try that had already ended. */
  | { kind: 'late'; error: string }

const text = z.string()
const reason = text.nullable()
const Endings = z.discriminatedUnion('state', [
  z.object({
    state: z.enum(['success', 'skipped']),
    reason,
    output: reason.optional(),
    skipsDownstream: z.boolean().optional(),
  }),
  z.object({ state: z.literal('failed'), reason, error: text.optional(), retryable: z.boolean() }),
  z.object({ state: z.literal('up_for_reschedule'), reason, dueAt: z.date() }),
])
const Line = z.object({
  loggedAt: z.date(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  message: text,
  // Not a record: zod would drop the key `__proto__`.
  fields: z.custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null).optional(),
})
const Reports = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('opened'), codeVersion: reason }),
  z.object({ kind: z.literal('refused'), message: text, error: text }),
  z.object({ kind: z.literal('log'), lines: z.array(Line) }),
  z.object({ kind: z.literal('read'), taskId: text }),
  z.object({ kind: z.literal('ended'), ending: Endings }),
  z.object({ kind: z.literal('settled'), left: reason }),
  z.object({ kind: z.literal('late'), error: text }),
])

/** Returns undefined if the message is not a report: a task may send its own messages. */
export function readReport(message: unknown): Report | undefined {
  return Reports.safeParse(message).data as Report | undefined
}
