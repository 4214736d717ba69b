import { type CommandHost, commandFor, TminusError } from 'tminus'
import type { Queryable } from 'tminus/db'
import { findLaunches, type StoredLaunch } from './read-launches.ts'

/** The launch a person means. Throws TminusError `launch_unknown` or `launch_ambiguous`, saying what to write instead. */
export async function oneLaunch(db: Queryable, host: CommandHost, text: string): Promise<StoredLaunch> {
  const [launch, ...others] = await findLaunches(db, text.trim(), host.now())
  if (launch === undefined)
    throw new TminusError(
      `No launch '${text}' is stored; ${commandFor('launches list --search TEXT')} looks for words in more than names`,
      { code: 'launch_unknown', retryable: false },
    )
  if (others.length === 0) return launch
  const found = [launch, ...others]
  const width = Math.max(...found.map(({ id }) => String(id).length))
  const lines = found.map(({ id, name }) => `\n  ${String(id).padStart(width)}  ${name}`)
  const shown = lines.length > MOST_NAMED ? [...lines.slice(0, MOST_NAMED), '\n  …'] : lines
  throw new TminusError(`'${text}' may be any of these; name one by its id:${shown.join('')}`, {
    code: 'launch_ambiguous',
    retryable: false,
  })
}

const MOST_NAMED = 10
