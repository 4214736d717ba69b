import { randomUUID } from 'node:crypto'
import type { RunType } from '../dag/state.ts'

/** `manual__2026-11-21T05:00:00.000Z_k3j9x2`; scheduled and backfill runs have one id a tick, so no two of them. */
export function newRunId(runType: RunType, logicalDate: Date): string {
  const id = `${runType}__${logicalDate.toISOString()}`
  return runType === 'manual' ? `${id}_${randomUUID().slice(0, 8)}` : id
}
