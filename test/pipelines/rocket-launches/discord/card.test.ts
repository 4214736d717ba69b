import { expect, test } from 'vitest'
import { type Facts, factsHash } from '../../../../pipelines/rocket-launches/discord/card-facts.ts'
import { Announcing } from '../../../support/announcing.ts'

const channel = Announcing.use()

/** Makes the card of launch `a` one of a version that showed no details. */
async function makeOlder(): Promise<void> {
  const { pool } = channel.database
  const { rows } = await pool.query<{ facts: Facts }>("select facts from discord_outbox where launch_id = 'a'")
  const [{ facts } = { facts: {} as Facts }] = rows
  const { boosters, programme, patch, logo, country, weather, ...older } = facts
  const hash = factsHash(older)
  await pool.query(
    "update discord_outbox set facts = $1, facts_hash = $2, wanted_hash = $2 where launch_id = 'a' and kind = 'card'",
    [JSON.stringify(older), hash],
  )
}

const setDetails = (details: object) =>
  channel.database.pool.query("update rocket_launches set details = $1 where launch_id = 'a'", [details])
const programmeOf = () =>
  channel.discord.messages.at(-1)?.embeds?.[0]?.fields?.find(({ name }) => name === 'Programme')?.value

test('a card is edited when a detail changes', async () => {
  await channel.notify()
  await setDetails({ program: [{ name: 'Starlink' }] })
  expect(await channel.notify()).toMatchObject({ outcome: 'edited' })
  expect(programmeOf()).toBe('Starlink')
})

test.each(['sent', 'unknown'])(
  'an upgrade does not touch a card that is %s; its next change shows the details',
  async (state) => {
    await channel.notify()
    await makeOlder()
    await channel.database.pool.query(
      `update discord_outbox set state = $1, message_id = case when $1 = 'sent' then message_id end`,
      [state],
    )
    await setDetails({ program: [{ name: 'Starlink' }] })
    const before = channel.discord.requests.length
    await channel.notify()
    expect(channel.discord.requests.length).toBe(before)
    await channel.change({ statusId: 8 })
    await channel.notify()
    expect(channel.discord.requests.length).toBe(before + 1)
    expect(programmeOf()).toBe('Starlink')
    await channel.notify()
    expect(channel.discord.requests.length).toBe(before + 1)
  },
)

test('an upgrade does not delay a card that is still to be sent', async () => {
  channel.refuse(429, { message: 'slow', retry_after: 60 })
  await channel.ending()
  channel.intercept = undefined
  await makeOlder()
  await channel.database.pool.query('update discord_outbox set not_before = null')
  await setDetails({ program: [{ name: 'Starlink' }] })
  expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
  expect(programmeOf()).toBe('Starlink')
  expect(await channel.notify()).toMatchObject({ outcome: 'unchanged' })
})

test('another DISCORD_LANGUAGE edits no card; its next change shows the new language', async () => {
  await channel.notify()
  const before = channel.discord.requests.length
  channel.env = { ...channel.env, DISCORD_LANGUAGE: 'ko' }
  await channel.notify()
  expect(channel.discord.requests.length).toBe(before)
  await channel.change({ statusId: 8 })
  await channel.notify()
  expect(channel.discord.messages[0]?.embeds?.[0]?.description).toContain('잠정 일정')
})

test('with PUBLIC_URL, a card links to the page of its launch on the board', async () => {
  await channel.notify({ env: { PUBLIC_URL: 'https://tminus.example/' } })
  const [row] = channel.discord.messages[0]?.components ?? []
  expect(row?.components.at(-1)?.url).toBe('https://tminus.example/rocket-launches/launches/a')
})
