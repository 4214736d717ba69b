import type { Setup } from '../../app.ts'
import { commandFor } from '../../command-for.ts'
import type { Dag } from '../../dag/dag.ts'
import { UsageError } from '../../errors.ts'
import { whyStaysQueued } from '../../maintenance/stays-queued.ts'
import { newRunId } from '../../metadata/dag-runs.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import {
  type BackfillEnd,
  type BackfillProgress,
  type BackfillRange,
  backfill,
  planBackfill,
} from '../../operations/backfill.ts'
import { stopSignal } from '../command-host.ts'
import { findDag } from '../find-dag.ts'
import { parseCount, parseInstant } from '../parse-option.ts'
import { Screen } from '../terminal/screen.ts'
import { instant, print, say, table } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'

export interface BackfillVerbOptions {
  from: string
  to: string
  dryRun?: boolean
  maxActiveRuns?: string
  reprocess: BackfillRange['reprocess']
}

/** `dags backfill <dag>`: runs the ticks of a past period and waits for their end. Returns 1 if a run has failed. */
export async function dagsBackfill(dagId: string, options: BackfillVerbOptions): Promise<number> {
  const from = parseInstant('--from', options.from)
  const to = parseInstant('--to', options.to)
  const most = parseCount('--max-active-runs', options.maxActiveRuns ?? '999999')
  return await withMetadata(async (metadata, setup) => {
    const dag = findDag(setup.loaded, dagId)
    refuseFuture(to, setup)
    const range = { from, to, reprocess: options.reprocess }
    if (options.dryRun) return await showPlan(metadata, dag, range)
    return await run(metadata, dag, range, Math.min(most, dag.maxActiveRuns))
  })
}

function refuseFuture(to: Date, { clock }: Setup): void {
  if (to > clock.now())
    throw new UsageError(`--to is in the future; the schedule runs future ticks: ${commandFor('start')}`)
}

async function showPlan(metadata: Metadata, dag: Dag, range: BackfillRange): Promise<number> {
  const plan = await planBackfill(metadata, dag, range)
  const rows = plan.map(({ logicalDate, action, state }) => [instant(logicalDate), action, state ?? ''])
  print(table(['logical_date', 'would', 'state now'], rows))
  const skipped = plan.filter(({ action }) => action === 'skip').length
  say(`${plan.length - skipped} of ${plan.length} ticks would run, ${skipped} would be skipped; nothing was changed`)
  return 0
}

async function run(metadata: Metadata, dag: Dag, range: BackfillRange, maxActiveRuns: number): Promise<number> {
  const signal = stopSignal()
  const screen = new Screen()
  const bar = openBar(screen)
  const heads = [await whyStaysQueued(metadata, dag)].filter((why) => why !== undefined)
  let isBegun = false
  const onProgress = (progress: BackfillProgress) => {
    if (!isBegun)
      screen.print([...heads, `Backfill of ${dag.id}: ${progress.ticks} ticks, ${maxActiveRuns} runs at once`])
    isBegun = true
    bar(progress)
  }
  const end = await backfill(metadata, dag, { ...range, maxActiveRuns, signal, onProgress })
  screen.draw([])
  return await summarise(metadata, dag, range, end)
}

const BAR_WIDTH = 30

/** Shows a bar on a terminal, and in a pipe one line for each tenth of the work. */
function openBar(screen: Screen): (progress: BackfillProgress) => void {
  let tenths = 0
  return ({ ticks, done, active }) => {
    const part = ticks === 0 ? 1 : done / ticks
    const text = `${done} of ${ticks} done, ${active} running`
    const full = Math.round(part * BAR_WIDTH)
    screen.draw([`  ${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} ${Math.floor(part * 100)} %  ${text}`])
    if (!screen.live && Math.floor(part * 10) > tenths) screen.print([`  ${text}`])
    tenths = Math.floor(part * 10)
  }
}

async function summarise(
  metadata: Metadata,
  dag: Dag,
  { from, to }: BackfillRange,
  { ended, done, ticks }: BackfillEnd,
): Promise<number> {
  const failed = await countFailed(metadata, dag.id, from, to)
  if (ended === 'interrupted') say(`Stopped after ${done} of ${ticks} ticks; run the same command to continue`)
  else if (ended === 'cancelled') say(`Cancelled after ${done} of ${ticks} ticks`)
  else say(`${done} of ${ticks} ticks are done`)
  if (failed > 0) say(`${failed} of its runs failed; --reprocess failed runs them again`)
  return ended === 'done' && failed === 0 ? 0 : 1
}

/** Run ids sort like their logical dates, so this can use the index of run ids. */
async function countFailed(db: Metadata, dagId: string, from: Date, to: Date): Promise<number> {
  const { rows } = await db.query<{ failed: number }>(
    `select count(*)::int as failed from metadata.dag_run
     where dag_id = $1 and run_id between $2 and $3 and state = 'failed'`,
    [dagId, newRunId('backfill', from), newRunId('backfill', to)],
  )
  return rows[0]?.failed ?? 0
}
