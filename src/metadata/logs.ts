import type { LogLevel } from '../dag/task.ts'

export interface LogLine {
  dagRunId: number
  taskId: string
  tryNumber: number
  loggedAt: Date
  level: LogLevel
  message: string
  fields: Record<string, unknown> | undefined
}
