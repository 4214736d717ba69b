import { commandFor } from '../../command-for.ts'
import { DAG_RUN_STATES, RUN_TYPES } from '../../dag/state.ts'
import { UsageError } from '../../errors.ts'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import { listing, type RunFilter, readRuns } from '../../operations/list-runs.ts'
import { parseCount, parseInstant } from '../parse-option.ts'
import { answer, instant, note, table, took } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'

/** The options by which `runs list` and `runs clear` choose runs. */
export interface FilterOptions {
  dag?: string
  state?: string
  type?: string
  since?: string
  until?: string
}

export interface RunsListOptions extends FilterOptions {
  output: string
  limit: string
  before?: string
}

/** `runs list`: the runs of all dags, newest first, page by page. */
export async function runsList({ output, limit, before, ...filter }: RunsListOptions): Promise<number> {
  const most = parseCount('--limit', limit)
  if (before !== undefined && !/^[1-9]\d{0,14}$/.test(before))
    throw new UsageError('--before must be the number that the previous page ended with')
  const wanted = { ...parseFilter(filter), before: before === undefined ? null : Number(before), limit: most + 1 }
  const { runs, next } = await withMetadata(async (metadata, { loaded }) => {
    const found = await readRuns(metadata, wanted)
    const shown = found.slice(0, most)
    const waiting = await readWaiting(metadata, loaded.dags, shown)
    const runs = shown.map((run) => ({ ...listing(run), waiting_for: waiting(run) }))
    return { runs, next: found.length > most ? shown.at(-1)?.id : undefined }
  })
  answer(output, runs, () =>
    table(
      ['dag_id', 'run_id', 'state', 'start', 'duration'],
      runs.map((run) => [run.dag_id, run.run_id, run.state, instant(run.start_date), took(run)]),
      { spare: ['duration', 'start'], empty: 'No run matches' },
    ),
  )
  if (next !== undefined) note(`There are more runs: ${commandFor(`runs list … --before ${next}`)}`)
  return 0
}

/** Throws UsageError that names the wrong option. */
export function parseFilter({ dag, state, type, since, until }: FilterOptions): RunFilter {
  return {
    dagId: dag ?? null,
    state: parseWord('--state', state, DAG_RUN_STATES),
    runType: parseWord('--type', type, RUN_TYPES),
    since: since === undefined ? null : parseInstant('--since', since),
    until: until === undefined ? null : parseInstant('--until', until),
  }
}

function parseWord<T extends string>(option: string, word: string | undefined, words: readonly T[]): T | null {
  const known = words.find((one) => one === word)
  if (word !== undefined && known === undefined) throw new UsageError(`${option} must be one of ${words.join(', ')}`)
  return known ?? null
}
