import type { Queryable } from 'tminus/db'
import { FLOWN, type KnownLaunch } from '../../launches/launch.ts'
import { launchOrder } from '../../launches/upcoming.ts'

/** A launch in a short list. */
export type BriefLaunch = Pick<
  KnownLaunch,
  'launch_id' | 'name' | 'net' | 'net_precision' | 'status_id' | 'status_name'
>

const SHOWN = 'launch_id, name, net, net_precision, status_id, status_name'
const MOST = 6
/** Postgres compares the times: JavaScript writes a year before 1 in a form that Postgres does not read. */
const BEFORE = (launchId: string) => `net < (select net from rocket_launches where launch_id = ${launchId})`

/** The launch as received; undefined if there is no such launch. */
export async function detailsOfLaunch(db: Queryable, launchId: string): Promise<unknown> {
  const { rows } = await db.query<{ details: unknown }>('select details from rocket_launches where launch_id = $1', [
    launchId,
  ])
  return rows[0]?.details
}

/** The flown launches before this one from the same pad, latest first. */
export async function earlierFromPad(
  db: Queryable,
  { launch_id, pad, location }: Pick<KnownLaunch, 'launch_id' | 'pad' | 'location'>,
): Promise<BriefLaunch[]> {
  if (pad === null) return []
  const { rows } = await db.query<BriefLaunch>(
    `select ${SHOWN} from rocket_launches
     where pad = $1 and location is not distinct from $2 and ${BEFORE('$3')} and status_id = any ($4)
     order by ${launchOrder({ past: true })} limit ${MOST}`,
    [pad, location, launch_id, FLOWN],
  )
  return rows
}

/** The launches before this one with the same booster, latest first. Uses the index `rocket_launches_boosters`. */
export async function earlierOfBooster(db: Queryable, launchId: string, serial: string): Promise<BriefLaunch[]> {
  const { rows } = await db.query<BriefLaunch>(
    `select ${SHOWN} from rocket_launches
     where jsonb_path_query_array(details, '$.rocket.launcher_stage[*].launcher.serial_number') ? $1
       and ${BEFORE('$2')} and status_id = any ($3)
     order by ${launchOrder({ past: true })} limit ${MOST}`,
    [serial, launchId, FLOWN],
  )
  return rows
}
