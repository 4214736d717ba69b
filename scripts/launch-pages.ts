import { picture, pictureNames } from '../pipelines/rocket-launches/demo/picture.ts'
import type { Database } from '../src/db/pool.ts'

/** Parts of the names of recorded launches. */
export const NEXT = 'Nancy Grace Roman'
export const HELD = 'MTG-I2'
export const FLOWN_LAST = 'Starlink Group 15-22'

/** Every page that shows launches: its path by its name. `board` and `launch` are the most important. */
export async function launchPages(db: Database): Promise<Record<string, string>> {
  const launch = async (name: string) => {
    const { rows } = await db.query<{ id: string }>(
      'select launch_id as id from rocket_launches where name like $1 order by net desc limit 1',
      [`%${name}%`],
    )
    return `/launches/${rows[0]?.id}`
  }
  const { rows } = await db.query<{ id: number }>("select outbox_id as id from discord_outbox where state = 'unknown'")
  const message = `/outbox/${rows[0]?.id}`
  return {
    board: '/',
    launch: await launch(NEXT),
    'board-2': '/?page=2',
    'board-search': '/?q=starlink',
    'board-provider': '/?provider=SpaceX',
    'board-country': '/?country=USA',
    'board-orbit': '/?orbit=Low+Earth+Orbit',
    'board-status': '/?status=hold',
    'board-exact': '/?time=exact',
    'board-filters': '/?provider=SpaceX&country=USA&status=go&time=exact&q=falcon',
    'board-month': '/?month=2026-08',
    'board-map': '/map',
    'board-none': '/?q=nothing+like+it',
    past: '/?show=past',
    'past-failure': '/?show=past&status=failure',
    'past-none': '/?show=past&q=nothing+like+it',
    'launch-poor': await launch('Kosmos (Unknown'),
    'launch-flown': await launch(FLOWN_LAST),
    'launch-held': await launch(HELD),
    'launch-without-picture': await launch('Pallas-1'),
    'launch-long-name': await launch('Bandwagon 5'),
    'launch-slipped': await launch('Onward and Upward'),
    'launch-unknown': '/launches/nothing',
    figures: '/figures',
    'figures-years': '/figures?years=5',
    outbox: '/outbox',
    'outbox-resend': `${message}/resend`,
    'outbox-forget': `${message}/forget`,
    rejects: '/rejects',
    'launch-health': '/status',
    'not-found': '/nope',
  }
}

/** A drawn picture for any address of a picture. */
export function pictureOf(url: string): Buffer | undefined {
  const sum = [...url].reduce((sum, letter) => sum + letter.charCodeAt(0), 0)
  return picture(pictureNames[sum % pictureNames.length] ?? 'day')
}
