import { type CommandHost, commandFor, TminusError } from 'tminus'
import type { Queryable } from 'tminus/db'
import type { StoredLaunch } from './launch.ts'
import { findLaunches } from './read-launches.ts'

/** Returns the only launch that `text` names. Throws TminusError `launch_unknown` or `launch_ambiguous`. */
export async function findOneLaunch(db: Queryable, host: CommandHost, text: string): Promise<StoredLaunch> {
  const [launch, ...others] = await findLaunches(db, text.trim(), host.now())
  if (launch === undefined)
    throw new TminusError(
      `Unknown launch '${text}'; ${commandFor('launches list --search TEXT')} searches more than names`,
      { code: 'launch_unknown', retryable: false },
    )
  if (others.length === 0) return launch
  const found = [launch, ...others]
  const width = Math.max(...found.map(({ id }) => String(id).length))
  const lines = found.map(({ id, name }) => `\n  ${String(id).padStart(width)}  ${name}`)
  const shown = lines.length > MAX_SHOWN ? [...lines.slice(0, MAX_SHOWN), '\n  …'] : lines
  throw new TminusError(`Several launches match '${text}'; choose one by its id:${shown.join('')}`, {
    code: 'launch_ambiguous',
    retryable: false,
  })
}

const MAX_SHOWN = 10
