import { nearestLaunch } from '../../pipelines/launches/upcoming.ts'
import { EN } from '../../pipelines/launches/words/en.ts'
import launches from '../../pipelines/rocket-launches/dag.ts'
import { firstNews, withDetails } from '../../pipelines/rocket-launches/demo/details.ts'
import { sampleLaunches } from '../../pipelines/rocket-launches/demo/launches.ts'
import { factsOf } from '../../pipelines/rocket-launches/discord/card-facts.ts'
import { launchCard } from '../../pipelines/rocket-launches/discord/card-message.ts'
import { disable } from '../../pipelines/rocket-launches/discord/target.ts'
import { placeSampleRuns, QUIET_DAGS, SAMPLE_DAGS } from '../../scripts/sample-runs.ts'
import { parseSettings } from '../../src/config.ts'
import { parseWebhookUrl } from '../../src/connectors/discord.ts'
import type { Database } from '../../src/db/pool.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { store } from '../pipelines/rocket-launches/board/board-site.ts'
import type { TestDatabase } from '../support/database.ts'
import { type OpenSite, openSite } from './site.ts'

/** The sample runs count back from here, and the sample launches are around it. */
export const NOW = new Date()
/** Where the pictures of the launches are. */
export const PICTURES = 'https://pictures.test'

const SAMPLES = sampleLaunches(NOW, { origin: PICTURES }).map((one) => withDetails(one, firstNews(one, NOW)))
const NEXT = SAMPLES.find(({ net, timeline }) => Date.parse(net) > NOW.getTime() && timeline.length > 0)
/** A launch that has moved, has a video and is on the channel. */
export const NEXT_ID = NEXT?.id ?? ''

/** A site that has something on every page: runs in all states, 40 tasks with 60 runs, launches, messages. */
export async function openWholeSite(database: TestDatabase): Promise<OpenSite> {
  const dags = [launches, ...SAMPLE_DAGS, ...QUIET_DAGS]
  await placeSampleRuns(openMetadata(database.pool, 'metadata'), NOW)
  await placeLaunches(database.pool)
  await placeMessages(database.pool)
  const settings = parseSettings({}, [launches]).settings.get(launches.id) ?? {}
  const importErrors = [{ folder: 'broken', message: 'broken on purpose, with <script>alert(1)</script> in it' }]
  const loaded = { dags: new Map(dags.map((one) => [one.id, one])), files: new Map(), importErrors }
  return await openSite(database, { loaded, settingsOf: () => settings })
}

async function placeLaunches(db: Database): Promise<void> {
  const picture = (name: string) => `${PICTURES}/media/images/${name}.png`
  const webcast = { url: 'https://youtu.be/7r0RfmKbr_Q', title: 'Webcast', feature_image: picture('night') }
  Object.assign(NEXT ?? {}, { mission_patches: [{ image_url: picture('day'), name: 'Patch' }], vid_urls: [webcast] })
  for (const [days, hours] of [
    [20, -48],
    [10, 30],
  ] as const) {
    const at = new Date(NOW.getTime() - days * 86_400_000)
    const net = new Date(Date.parse(NEXT?.net ?? '') + hours * 3_600_000).toISOString()
    await store(db, [{ ...NEXT, net, last_updated: at.toISOString() }], at)
  }
  await store(db, [...SAMPLES, { id: 'unreadable', name: 7 }], NOW)
  await db.query(
    `insert into rocket_launch_sync (source, last_attempt_at, last_success_at)
     values ('https://ll.thespacedevs.com/2.3.0/launches/upcoming/', now(), now())`,
  )
}

/** The card of the launch as it was sent, messages in other states with the ids 1, 2, …, and a disabled channel. */
async function placeMessages(db: Database): Promise<void> {
  const launch = await nearestLaunch(db, NOW)
  if (launch?.launch_id !== NEXT_ID) throw new Error(`The next launch is ${launch?.launch_id}, not ${NEXT_ID}`)
  const card = JSON.stringify(launchCard(launch, { now: NOW, dataAsOf: NOW }, EN))
  for (const [kind, state, reason] of [
    ['card', 'sent', null],
    ['reminder', 'sent', null],
    ['slip', 'dead', 'overtaken'],
    ['hold', 'dead', '400: Invalid Form Body: embeds[0].title: Must be 256 or fewer in length.'],
    ['go', 'pending', null],
    ['result', 'unknown', 'no answer within 10 s'],
    ['liftoff', 'sending', null],
  ])
    await db.query(
      `insert into discord_outbox
         (target, launch_id, kind, subject, state, reason, facts, facts_hash, message, message_id, sent_at, reason_told)
       values ('1', $1, $2, $2, $3, $4, $5, '', $6, case $3 when 'sent' then '2' end, now(), 'status Go → Hold')`,
      [NEXT_ID, kind, state, reason, JSON.stringify(factsOf(launch)), card],
    )
  await disable(
    db,
    parseWebhookUrl(`https://discord.com/api/webhooks/1200000000000000001/${'x'.repeat(60)}`),
    'it was deleted',
  )
}
