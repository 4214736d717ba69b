import { beforeEach, describe, expect, it } from 'vitest'
import { upcomingUrl } from '../../../../pipelines/launches/launch-library/addresses.ts'
import { isLongOver } from '../../../../pipelines/rocket-launches/discord/card.ts'
import { Announcing } from '../../../support/announcing.ts'

const channel = Announcing.use()
beforeEach(() => {
  channel.env = {}
})

const MINUTE = 60_000
/** Launch `a` stands at 10:00 of the 22nd, `b` a day later. */
const at = (time: string) => new Date(`2026-11-${time}Z`)
const rows = async () =>
  (await channel.outbox()).map(({ launch_id, kind, subject, state, reason }) =>
    [launch_id, kind, subject, state, reason].filter((part) => part !== null).join(' '),
  )
/** What stands on the channel besides cards, which alone have fields. */
const notices = () => channel.discord.messages.filter(({ embeds }) => embeds?.[0]?.fields === undefined)
const methods = () => channel.discord.requests.map(({ method }) => method)
/** A scheduled run at this instant. */
const tick = async (time: Date, changed = {}) => {
  channel.now = time
  return await channel.notify({ scheduledFor: time, ...changed })
}

describe('notices', () => {
  it('tell a slip once, after the edit of the card, judged against what was announced last', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T13:00:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'edited', targets: [{ posted: 1, edited: 1 }] })
    expect(await channel.notify()).toMatchObject({ outcome: 'unchanged', targets: [{ posted: 0, edited: 0 }] })
    expect(methods()).toEqual(['POST', 'PATCH', 'POST'])
    expect(await rows()).toEqual(['a card card sent', 'a slip slip:1 sent'])
    expect(notices()[0]?.embeds?.[0]?.description).toMatch(/[Pp]ostponed by 3 hours/)
    expect(channel.logged.join('\n')).toContain('info posted: slip of Falcon 9 | Nearest (')
    await channel.change({ net: '2026-11-22T13:05:00Z' })
    expect(await channel.notify()).toMatchObject({ targets: [{ posted: 0, edited: 1 }] })
    await channel.change({ net: '2026-11-22T10:00:00Z' })
    await channel.notify()
    expect(await rows()).toContain('a slip slip:2 sent')
    expect(notices()[1]?.embeds?.[0]?.description).not.toMatch(/postponed/i)
  })

  it('wait for a NET to stand still, and say nothing where it returns', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T13:00:00Z', seenAt: at('21T04:55:00') })
    await channel.notify()
    expect(methods()).toEqual(['POST', 'PATCH'])
    await channel.change({ net: '2026-11-22T10:00:00Z', seenAt: at('21T05:00:00') })
    channel.now = at('21T05:30:00')
    await channel.notify()
    expect(methods()).toEqual(['POST', 'PATCH', 'PATCH'])
    expect(await rows()).toEqual(['a card card sent'])
  })

  it('tell how a launch ended of which only the month was known, on its last day', async () => {
    await channel.database.pool.query(`delete from rocket_launches where launch_id = 'b'`)
    const set = 'update rocket_launches set net = $1, net_precision = $2, status_id = $3'
    await channel.database.pool.query(set, ['2026-11-01T00:00:00Z', 7, 2])
    await channel.notify()
    channel.now = at('30T10:00:00')
    await channel.database.pool.query(set, ['2026-11-01T00:00:00Z', 7, 3])
    await channel.notify()
    expect(await rows()).toEqual(['a card card sent', 'a result status:3 sent'])
    expect(methods()).toEqual(['POST', 'PATCH', 'POST'])
  })

  it('tell hold, go, liftoff and result, each once', async () => {
    await channel.notify()
    channel.now = at('22T10:10:00')
    for (const statusId of [5, 1, 6, 1, 6, 3, 6, 3]) {
      await channel.change({ statusId })
      await channel.notify()
    }
    expect((await rows()).filter((row) => row.startsWith('a '))).toEqual([
      'a card card sent',
      'a hold hold:1 sent',
      'a go go:1 sent',
      'a liftoff status:6 sent',
      'a result status:3 sent',
    ])
    expect(notices()).toHaveLength(4)
  })

  it('of a kind that is switched off are not told later, either', async () => {
    await channel.notify({ env: { DISCORD_NOTICES: 'none' } })
    await channel.change({ net: '2026-11-22T13:00:00Z', statusId: 5 })
    await channel.notify({ env: { DISCORD_NOTICES: 'reminder' } })
    await channel.notify()
    expect(notices()).toEqual([])
  })

  it('ping a role where they are asked to, cards never; name and picture are the wanted ones', async () => {
    const avatar = 'https://images.example/bot.png'
    channel.env = { DISCORD_ROLE_ID: '77:hold', DISCORD_USERNAME: 'Range Control', DISCORD_AVATAR: avatar }
    await channel.notify()
    await channel.change({ net: '2026-11-22T13:00:00Z', statusId: 5 })
    await channel.notify()
    const told = channel.discord.messages.map(({ pinged, username, avatar_url }) => [pinged, username, avatar_url])
    expect(told).toEqual([[], [], ['<@&77>']].map((pinged) => [pinged, 'Range Control', avatar]))
    const hold = channel.discord.requests.at(-1)?.body
    expect(hold).toMatchObject({ content: '<@&77>', allowed_mentions: { parse: [], roles: ['77'] } })
  })

  it('are not sent once they are no news any more, nor after something newer', async () => {
    await channel.notify()
    channel.refuse(429, { retry_after: 3_600 }, { 'retry-after': '3600' })
    await channel.change({ net: '2026-11-22T13:00:00Z' })
    await tick(at('21T05:05:00'))
    await channel.change({ net: '2026-11-22T16:00:00Z' })
    await tick(at('21T05:10:00'))
    expect(await rows()).toEqual([
      'a card card pending Discord asks to wait 3600 s',
      'a slip slip:1 dead overtaken',
      'a slip slip:2 pending',
    ])
    expect(methods()).toEqual(['POST', 'PATCH'])
    channel.intercept = undefined
    await channel.age('61 minutes')
    await tick(at('21T06:15:00'))
    expect(notices()).toHaveLength(1)
    expect(notices()[0]?.embeds?.[0]?.description).toMatch(/[Pp]ostponed by 6 hours/)

    channel.refuse(500, {})
    await channel.change({ statusId: 5 })
    await tick(at('21T06:20:00')).catch(() => {})
    channel.intercept = undefined
    await tick(at('22T06:21:00'))
    expect(await rows()).toContain('a hold hold:1 dead too late')
  })

  it('say nothing of a slip that nobody read and that is taken back', async () => {
    await channel.notify()
    channel.refuse(429, { retry_after: 3_600 }, { 'retry-after': '3600' })
    await channel.change({ net: '2026-11-22T13:00:00Z' })
    await tick(at('21T05:05:00'))
    await channel.change({ net: '2026-11-22T10:00:00Z' })
    await tick(at('21T05:10:00'))
    channel.intercept = undefined
    await channel.age('61 minutes')
    await tick(at('21T06:15:00'))
    expect(await rows()).toEqual(['a card card sent', 'a slip slip:1 dead overtaken'])
    expect(channel.discord.messages[0]?.embeds?.[0]?.description).toContain('<t:1795341600:F>')
  })

  it('say nothing of what changed before the card could be posted, and remind of the time it shows', async () => {
    await channel.notify()
    channel.refuse(429, { retry_after: 3_600 }, { 'retry-after': '3600' })
    await channel.store('c', 'Electron | Soon', '2026-11-21T09:00:00Z')
    await tick(at('21T08:00:00'))
    await channel.database.pool.query(
      `update rocket_launches set net = '2026-11-21T12:00Z', status_id = 5 where launch_id = 'c'`,
    )
    await tick(at('21T08:05:00'))
    await channel.database.pool.query(`update rocket_launches set status_id = 1 where launch_id = 'c'`)
    channel.intercept = undefined
    await channel.age('61 minutes')
    await tick(at('21T09:05:00'))
    await tick(at('21T11:00:00'))
    expect((await rows()).filter((row) => row.startsWith('c '))).toEqual([
      'c card card sent',
      'c reminder T-1h#0 dead overtaken',
      'c reminder T-1h#1 sent',
    ])
  })

  it('whose answer was lost are not repeated, and those behind wait for the next run', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T13:00:00Z', statusId: 5 })
    channel.interceptAnswer = (request, response) => {
      if (request.method === 'PATCH') return false
      response.writeHead(500).end()
      return true
    }
    expect(await channel.notify()).toMatchObject({ targets: [{ edited: 1, posted: 0, unknown: 1, waiting: 1 }] })
    channel.interceptAnswer = undefined
    expect(await channel.notify()).toMatchObject({ targets: [{ posted: 1, unknown: 0, waiting: 0 }] })
    await channel.notify()
    expect(await rows()).toEqual([
      'a card card sent',
      'a slip slip:1 unknown it is not known whether Discord received the message: HTTP 500',
      'a hold hold:1 sent',
    ])
    expect(notices()).toHaveLength(2)
  })

  it('that Discord refuses are given up, and do not hold up the next', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T13:00:00Z', statusId: 5 })
    let first = true
    channel.intercept = (request, response) => {
      if (request.method === 'PATCH' || !first) return false
      first = false
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ code: 50035, message: 'Invalid Form Body' }))
      return true
    }
    expect(await channel.ending()).toMatchObject({ code: 'failed', message: /Invalid Form Body$/ })
    expect((await rows()).slice(1)).toEqual([
      expect.stringMatching(/^a slip slip:1 dead Discord refused/),
      'a hold hold:1 sent',
    ])
    await channel.notify()
  })
})

describe('cards', () => {
  it('an edit that Discord refuses is not repeated before the facts change again', async () => {
    await channel.notify()
    await channel.change({ net: '2026-11-22T10:05:00Z' })
    channel.refuse(400, { code: 200000, message: 'Message was blocked by automatic moderation' })
    expect(await channel.ending()).toMatchObject({ code: 'failed' })
    channel.intercept = undefined
    expect(await channel.notify()).toMatchObject({ outcome: 'refused' })
    expect(methods()).toEqual(['POST', 'PATCH'])
    await channel.change({ net: '2026-11-22T10:10:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'edited' })
  })

  it('follow a launch that is over until a week later, and say when it is not listed any more', async () => {
    await channel.notify()
    await channel.change({ statusId: 3 })
    channel.now = at('28T09:00:00')
    await channel.notify()
    expect(channel.discord.messages[0]?.embeds?.[0]?.description).toContain('successful')
    await channel.database.pool.query(`update rocket_launches set status_id = 1, vanished_at = $1`, [channel.now])
    await channel.notify()
    expect(channel.discord.messages[0]?.embeds?.[0]?.description).toContain('No longer listed')
    await channel.change({ statusId: 3 })
    channel.now = at('29T11:00:00')
    const before = channel.discord.requests.length
    await channel.notify()
    expect(channel.discord.requests).toHaveLength(before)
  })

  it("the nearest one's says that its data is old, once, and once when it is not any more", async () => {
    const { pool } = channel.database
    const source = upcomingUrl('https://ll.example/2.3.0').href
    const told = async (when: Date) => {
      await pool.query('truncate rocket_launch_sync')
      await pool.query(
        'insert into rocket_launch_sync (source, last_attempt_at, last_success_at) values ($1, $2, $2)',
        [source, when],
      )
    }
    await told(at('21T05:00:00'))
    for (const minutes of [0, 115, 125, 130, 290]) await tick(new Date(at('21T05:00:00').getTime() + minutes * MINUTE))
    expect(methods()).toEqual(['POST', 'PATCH'])
    expect(channel.discord.messages[0]?.embeds?.[0]?.footer?.text).toContain('05:00 UTC')
    await told(at('21T10:05:00'))
    for (const minutes of [306, 311]) await tick(new Date(at('21T05:00:00').getTime() + minutes * MINUTE))
    expect(methods()).toEqual(['POST', 'PATCH', 'PATCH'])
  })
})

describe('a card that could not be posted while Discord was away', () => {
  /** Launch `a` has flown by then, `c` is the next one. */
  async function backAt(time: string) {
    channel.refuse(429, { retry_after: 3_600 }, { 'retry-after': '3600' })
    await tick(at('21T05:05:00'))
    channel.intercept = undefined
    await channel.age('20 days')
    await channel.store('c', 'Electron | Far', '2027-01-01T10:00:00Z')
    await channel.change({ statusId: 3 })
    return await tick(at(time))
  }
  const titles = () => channel.discord.messages.map(({ embeds }) => embeds?.[0]?.title)

  it('still tells of a launch for as long as its result is news', async () => {
    await backAt('24T09:55:00')
    expect(titles()).toEqual(['Falcon 9 | Nearest', 'Electron | Far'])
  })

  it.each(['24T10:00:00', '30T10:00:00'])('says nothing of what is long over: %s', async (time) => {
    expect(await backAt(time)).toMatchObject({ targets: [{ posted: 1, waiting: 0 }] })
    expect(titles()).toEqual(['Electron | Far'])
    expect(await rows()).toEqual(['a card card dead too late', 'c card card sent'])
    await tick(at('30T10:05:00'))
    expect(titles()).toEqual(['Electron | Far'])
  })

  it('is sent all the same where a person asks for it', async () => {
    await backAt('30T10:00:00')
    await channel.database.pool.query(
      `update discord_outbox set state = 'pending', reason = 'sent again as asked' where launch_id = 'a'`,
    )
    await tick(at('30T10:05:00'))
    expect(titles()).toEqual(['Electron | Far', 'Falcon 9 | Nearest'])
  })

  it('announces a launch that turns out to be still to come, and no slip beside it', async () => {
    await backAt('30T10:00:00')
    await channel.change({ statusId: 1, net: '2026-12-01T10:00:00Z' })
    await tick(at('30T10:10:00'))
    expect(await rows()).toEqual(['a card card sent', 'c card card sent'])
  })

  it.each([
    [1, '24T09:59:59', false],
    [1, '24T10:00:00', true],
    [5, '24T23:59:59', false],
    [5, '25T00:00:00', true],
    [7, '30T00:00:00', false],
    [null, '30T00:00:00', false],
    [8, '22T10:00:00', false],
  ])('by the end of what NET may mean (precision %s)', (net_precision, time, over) => {
    expect(isLongOver({ net: at('22T10:00:00'), net_precision }, at(time))).toBe(over)
  })
})

describe('reminders', () => {
  it('come once for each T-0, the most urgent one, and again after a slip', async () => {
    await channel.notify()
    for (const time of ['21T10:00:00', '21T10:05:00', '22T09:00:00', '22T09:05:00']) await tick(at(time))
    await channel.change({ net: '2026-11-22T12:00:00Z' })
    for (const time of ['22T09:10:00', '22T11:00:00', '22T11:50:00', '22T11:55:00', '22T12:00:00', '22T12:05:00'])
      await tick(at(time))
    const sent = (await rows()).filter((row) => row.startsWith('a '))
    expect(sent).toEqual([
      'a card card sent',
      'a reminder T-24h#0 sent',
      'a reminder T-1h#0 sent',
      'a slip slip:1 sent',
      'a reminder T-1h#1 sent',
      'a reminder T-10m#1 sent',
    ])
  })

  it('are dropped where their tick came too late, but not for a run that was slow', async () => {
    await channel.notify()
    await tick(at('21T10:06:00'))
    expect(await rows()).toEqual(['a card card sent'])
    channel.now = at('22T09:12:00')
    await channel.notify({ scheduledFor: at('22T09:00:00') })
    expect(await rows()).toContain('a reminder T-1h#0 sent')
  })

  it('of a launch that was never announced come with its card, first', async () => {
    await channel.notify()
    await tick(at('22T10:00:00'))
    expect(await rows()).toEqual(['a card card sent', 'b card card sent', 'b reminder T-24h#0 sent'])
    expect(channel.discord.messages.map(({ embeds }) => embeds?.[0]?.title)).toEqual([
      ...['Falcon 9 | Nearest', 'Vulcan | Later', 'Vulcan | Later'],
    ])
    await tick(at('22T10:00:30'))
    expect(channel.discord.messages).toHaveLength(3)
  })

  it('also of launches that are not the nearest; none at the first run on a channel', async () => {
    await channel.store('c', 'Electron | Soon', '2026-11-22T10:30:00Z')
    await tick(at('21T10:30:00'))
    expect(await rows()).toEqual(['a card card sent'])
    await channel.forget()
    await tick(at('21T10:20:00'))
    await tick(at('21T10:30:00'))
    expect(await rows()).toEqual(['a card card sent', 'c card card sent', 'c reminder T-24h#0 sent'])
  })
})

describe('DISCORD_FILTER_…', () => {
  it('decides which launch is announced, and reminded of', async () => {
    channel.env = { DISCORD_FILTER_KEYWORDS: '-nearest' }
    expect(await channel.notify()).toMatchObject({ launchId: 'b', outcome: 'posted' })
    await tick(at('21T10:00:00'))
    expect(await rows()).toEqual(['b card card sent'])
    channel.env = { DISCORD_FILTER_PROVIDERS: 'Rocket Lab' }
    expect(await channel.notify()).toMatchObject({ launchId: null, outcome: 'no_launch' })
  })

  it('says nothing more of a launch that was announced before, but keeps its card right', async () => {
    await channel.notify()
    channel.env = { DISCORD_FILTER_KEYWORDS: '-nearest' }
    await channel.change({ net: '2026-11-22T16:00:00Z', statusId: 5 })
    await channel.notify()
    expect(await rows()).toEqual(['a card card sent', 'b card card sent'])
    expect(channel.discord.messages[0]?.embeds?.[0]?.description).toContain('On hold')
  })
})
