import type { Setup } from '../../app.ts'
import { openDatabases } from '../../databases.ts'
import { milliseconds } from '../../duration.ts'
import { UsageError } from '../../errors.ts'
import { clean } from '../../maintenance/clean.ts'
import { reset } from '../../maintenance/reset.ts'
import { readStatus } from '../../maintenance/status.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { stopSignal } from '../command-host.ts'
import { Screen } from '../terminal/screen.ts'
import { answer, fields, instant, say, table } from '../terminal/table.ts'
import { setUpCommand, withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `db status`: the server, the migrations and the size of each table. */
export async function dbStatus({ output }: ListOptions): Promise<number> {
  const setup = await setUpCommand()
  const { metadata, close } = await openDatabases(setup, { create: false, asFound: true })
  const status = await readStatus(metadata).finally(close)
  const { applied, pending } = status.migrations
  const rows = status.tables.map((one) => [one.table, String(one.rows), size(one.bytes)])
  return answer(output, status, () => {
    const facts = fields([
      ['server', status.server],
      ['database', `${status.database}, ${size(status.bytes)}`],
      ['schema', status.schema],
      ['migrations', `${applied.at(-1) ?? 'none'}${pending.length > 0 ? `; pending: ${pending.join(', ')}` : ''}`],
      ['runs', status.runs && `${status.runs.running} running, ${status.runs.queued} queued`],
      ['oldest run', status.runs && instant(status.runs.oldest)],
    ])
    return `${facts}\n\n${table(['table', 'rows (about)', 'size'], rows)}`
  })
}

export interface CleanVerbOptions {
  olderThan: string
  dryRun?: boolean
}

/** `db clean`: returns 1 if a table could not be cleaned. */
export async function dbClean({ olderThan, dryRun = false }: CleanVerbOptions): Promise<number> {
  const olderThanMs = ageOf(olderThan)
  const signal = stopSignal()
  const screen = new Screen()
  const onProgress = (runs: number) => screen.draw([`  ${runs} runs`])
  const work = (metadata: Metadata, { config }: Setup) => {
    const engineSchema = config.executor === 'distributed' ? config.workerSchema : undefined
    return clean(metadata, { olderThanMs, dryRun, signal, onProgress, engineSchema })
  }
  const cleaned = await withMetadata(work, { slow: true })
  screen.draw([])
  for (const { table: name, rows, error } of cleaned) {
    if (error !== null) process.stderr.write(`✖ ${name}: ${error}\n`)
    else say(`${dryRun ? 'Would delete' : 'Deleted'} ${rows} of ${LABEL[name] ?? name}`)
  }
  if (signal.aborted) say('Stopped before the end; run the same command to continue')
  return cleaned.some(({ error }) => error !== null) ? 1 : 0
}

const LABEL: Readonly<Record<string, string>> = {
  dag_run: 'dag_run, with their task instances, tries, logs and outputs',
}

function ageOf(text: string): number {
  try {
    const ms = milliseconds(text)
    if (ms <= LONGEST_AGE_MS) return ms
  } catch (cause) {
    throw new UsageError(WRONG_AGE, { cause })
  }
  throw new UsageError(WRONG_AGE)
}

const WRONG_AGE = '--older-than must be a duration such as 30d or 12h'
/** Postgres cannot subtract a much longer time from the current time. */
const LONGEST_AGE_MS = 1_000 * 365 * 24 * 3_600_000

/** `db reset --yes`: drops the runner's tables and keeps those of pipelines. */
export async function dbReset({ yes = false }: { yes?: boolean }): Promise<number> {
  const setup = await setUpCommand()
  const { metadataSchema: schema, workerSchema } = setup.config
  if (!yes) {
    throw new UsageError(
      `This drops schema "${schema}" with every run, log and pool (launches are kept); add --yes to confirm`,
    )
  }
  const { metadata, close } = await openDatabases(setup, { create: false, asFound: true, slow: true })
  const dropped = await reset(metadata, workerSchema).finally(close)
  if (dropped.length === 0) say(`Schema "${schema}" does not exist: nothing to drop`)
  else {
    const tables = dropped.map((one) => `${one.table} (${one.rows} rows)`).join(', ')
    say(`Dropped schema "${schema}": ${tables}`)
  }
  return 0
}

function size(bytes: number): string {
  const units = ['kB', 'MB', 'GB', 'TB']
  let amount = bytes / 1_024
  while (amount >= 1_000 && units.length > 1) {
    amount /= 1_024
    units.shift()
  }
  return `${amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${units[0]}`
}
