import type { CommandHost } from 'tminus'
import type { Queryable } from 'tminus/db'
import { changeText, describeChanges, instantText, shortTime, statusWord } from '../../launches/launch-text.ts'
import { findOneLaunch } from '../../launches/one-launch.ts'
import { listLaunches, readChanges, type StoredChange, type Wanted } from '../../launches/read-launches.ts'

interface Output {
  output: 'table' | 'json'
}

/** `launches list`. */
export async function list(
  db: Queryable,
  host: CommandHost,
  { output, past = false, ...wanted }: Output & Omit<Wanted, 'now' | 'past'> & { past?: boolean },
): Promise<void> {
  const launches = await listLaunches(db, { ...wanted, past, now: host.now() })
  if (output === 'json') host.printJson(launches)
  else if (launches.length === 0) host.print('No stored launch matches')
  else
    host.table(
      ['id', 'when', 'status', 'launch', 'provider', 'location'],
      launches.map((launch) => [
        String(launch.id),
        launch.net === null ? '' : shortTime(launch.net, launch.net_precision),
        statusWord(launch),
        launch.name ?? '',
        launch.provider ?? '',
        launch.location ?? '',
      ]),
      { spare: ['location', 'provider'] },
    )
}

/** `launches changes`. */
export async function changes(
  db: Queryable,
  host: CommandHost,
  text: string | undefined,
  { output, since, limit }: Output & { since?: Date; limit: number },
): Promise<void> {
  const launch = text === undefined ? undefined : await findOneLaunch(db, host, text)
  const found = await readChanges(db, { launchId: launch?.launch_id ?? null, since, limit })
  if (output === 'json') host.printJson(found.map(({ old_precision: _, new_precision: __, ...change }) => change))
  else if (found.length === 0) host.print('No changes')
  else printChanges(host, found)
}

export function printChanges(host: CommandHost, found: readonly StoredChange[]): void {
  for (const { seenAt, launch, facts } of describeChanges(found)) {
    host.print(`${instantText(seenAt)}  ${launch}`)
    host.fields(facts.map(([what, how]) => [`  ${what}`, changeText(how)]))
  }
}
