import { type CommandHost, visibleJson } from 'tminus'
import type { Database } from 'tminus/db'
import { STORED_COLUMNS } from '../../launches/columns.ts'
import type { StoredLaunch } from '../../launches/launch.ts'
import { eachLaunch } from '../../launches/read-launches.ts'
import { csvRecord } from './csv.ts'

interface ExportOptions {
  format: 'csv' | 'json'
  since?: Date
  until?: Date
  details?: boolean
}

/** `launches export`. Reads and writes in batches, so memory does not grow with the number of launches. */
export async function exportLaunches(
  db: Database,
  host: CommandHost,
  { format, since, until, details = false }: ExportOptions,
): Promise<void> {
  const { begin, part, end } = format === 'csv' ? csv(details) : JSON_ARRAY
  let first = true
  await host.write(begin)
  const take = async (launches: StoredLaunch[]) => {
    const text = part(launches, first)
    first = false
    return await host.write(text)
  }
  await eachLaunch(db, { since, until, details }, take)
  await host.write(end)
}

interface Format {
  begin: string
  part(launches: readonly StoredLaunch[], first: boolean): string
  end: string
}

function csv(details: boolean): Format {
  const columns = details ? [...STORED_COLUMNS, 'details' as const] : STORED_COLUMNS
  const record = (launch: StoredLaunch) => csvRecord(columns.map((column) => launch[column]))
  return { begin: csvRecord(columns), part: (launches) => launches.map(record).join(''), end: '' }
}

/** One line for each launch. */
const JSON_ARRAY: Format = {
  begin: '[',
  part: (launches, first) =>
    (first ? '\n' : ',\n') + launches.map((launch) => visibleJson(JSON.stringify(launch))).join(',\n'),
  end: '\n]\n',
}
