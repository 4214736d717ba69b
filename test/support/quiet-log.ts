import type { TaskLog } from '../../src/dag/task.ts'

export type QuietLog = TaskLog & { lines: string[] }

/** A task's log that only stores its lines, as `level message`. */
export function quietLog(): QuietLog {
  const lines: string[] = []
  const keep = (level: string) => (message: string) => void lines.push(`${level} ${message}`)
  return { lines, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }
}
