/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { RunType } from '../dag/state.ts'
import type { RunRow } from '../operations/list-runs.ts'
import { Id, shortInstant, Time } from './parts.tsx'

/** Pages name the type of a run after other dags like the option of the dag and the run's id. */
export function typeName(type: RunType): string {
  return type === 'asset_triggered' ? 'after' : type
}

type Named = Pick<RunRow, 'run_id' | 'logical_date'>

/** The kind of a generated run id, such as `manual__2026-11-29T17:10:00.000Z_3f2a`. */
const GENERATED = /^(manual|scheduled|backfill|triggered|after)__/

interface RunNameProps {
  run: Named
  /** The tooltip; null for none. Default: the id of the run. */
  title?: null
}

/** `29 Nov 17:10 · backfill`. A run with an id that a user chose is shown by its id. */
export function RunName({ run: { run_id, logical_date }, title }: RunNameProps) {
  const [, kind] = GENERATED.exec(run_id) ?? []
  if (kind === undefined) return <Id id={run_id} />
  return (
    <>
      <Time at={logical_date} show="short" title={title === null ? null : run_id} /> <span class="kind">· {kind}</span>
    </>
  )
}

/** The same as text, in UTC. */
export function runName({ run_id, logical_date }: Named): string {
  const [, kind] = GENERATED.exec(run_id) ?? []
  return kind === undefined ? run_id : `${shortInstant(logical_date)} UTC · ${kind}`
}
