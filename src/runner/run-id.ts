import { randomUUID } from 'node:crypto'
import type { RunType } from '../dag/state.ts'

/** `manual__2026-11-21T05:00:00.000Z_k3j9x2`. Scheduled and backfill runs have no suffix, so a tick has only one run id. */
export function newRunId(runType: RunType, logicalDate: Date): string {
  const id = `${runType}__${logicalDate.toISOString()}`
  return runType === 'manual' ? `${id}_${randomUUID().slice(0, 8)}` : id
}
