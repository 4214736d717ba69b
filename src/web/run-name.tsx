/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { RunType } from '../dag/state.ts'
import type { RunRow } from '../operations/list-runs.ts'
import { Id, shortInstant, Time } from './parts.tsx'

/** Pages name the type of a run after other dags like the option of the dag and the run's id. */
export function typeName(type: RunType): string {
  return type === 'asset_triggered' ? 'after' : type
}

/** Without a logical date, the instant of a generated run id is shown. */
type Named = Pick<RunRow, 'run_id'> & Partial<Pick<RunRow, 'logical_date'>>

/** The kind of a generated run id, such as `manual__2026-11-29T17:10:00.000Z_3f2a`. */
const GENERATED = /^(manual|scheduled|backfill|triggered|after)__(\d{4}-\d\d-\d\dT[\d:.]+Z)?/

interface RunNameProps {
  run: Named
  /** The tooltip; null for none. Default: the id of the run. */
  title?: null
}

/** `29 Nov 17:10 · backfill`. A run with an id that a user chose is shown by its id. */
export function RunName({ run, title }: RunNameProps) {
  const parts = partsOf(run)
  if (parts === undefined) return <Id id={run.run_id} />
  return (
    <>
      <Time at={parts.at} show="short" title={title === null ? null : run.run_id} />{' '}
      <span class="kind">· {parts.kind}</span>
    </>
  )
}

/** The same as text, in UTC. */
export function runName(run: Named): string {
  const parts = partsOf(run)
  return parts === undefined ? run.run_id : `${shortInstant(parts.at)} UTC · ${parts.kind}`
}

function partsOf({ run_id, logical_date }: Named): { kind: string; at: Date } | undefined {
  const [, kind, instant = ''] = GENERATED.exec(run_id) ?? []
  const at = logical_date ?? new Date(instant)
  return kind === undefined || Number.isNaN(at.getTime()) ? undefined : { kind, at }
}
