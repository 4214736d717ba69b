import { beforeEach, describe, expect, it } from 'vitest'
import { upcomingUrl } from '../../../../pipelines/launches/launch-library/addresses.ts'
import { isLongOver } from '../../../../pipelines/rocket-launches/discord/card.ts'
import { Announcing } from '../../../support/announcing.ts'

const channel = Announcing.use()
beforeEach(() => {
  channel.env = { DISCORD_VOLUME: 'full' }
})

const MINUTE = 60_000
/** NET of launch `a` is 10:00 on the 22nd, NET of `b` a day later. */
const at = (time: string) => new Date(`2026-11-${time}Z`)
const rows = async () => {
  const all = await channel.outbox()
  return all.map(({ launch_id, kind, subject, state, reason, merged_into }) => {
    const holder = all.find(({ outbox_id }) => outbox_id === merged_into)
    const where = holder ? `in ${holder.subject}` : state
    return [launch_id, kind, subject, where, reason].filter((part) => part !== null).join(' ')
  })
}
/** The notices on the channel; only cards have an author. */
const notices = () => channel.discord.messages.filter(({ embeds }) => embeds?.[0]?.author === undefined)
const methods = () => channel.discord.requests.map(({ method }) => method)
/** A scheduled run at this instant. */
const tick = async (time: Date, changed = {}) => {
  channel.now = time
  return await channel.notify({ scheduledFor: time, ...changed })
}

describe('notices', () => {
  it('post a slip once, after the edit of the card, compared with the last announced NET', async () => {
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

  it('wait until a NET is stable, and post nothing if it moves back', async () => {
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

  it('post the result of a launch whose month alone was known, on the last day of the month', async () => {
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

  it('post hold, go, liftoff and result once each', async () => {
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

  it('of a kind that was switched off are not posted later', async () => {
    await channel.notify({ env: { DISCORD_NOTICES: 'none' } })
    await channel.change({ net: '2026-11-22T13:00:00Z', statusId: 5 })
    await channel.notify({ env: { DISCORD_NOTICES: 'reminder' } })
    await channel.notify()
    expect(notices()).toEqual([])
  })

  it('of a kind that only a newer version knows are left to that version', async () => {
    await channel.notify()
    await channel.database.pool.query(
      `insert into discord_outbox (target, launch_id, kind, subject, facts, facts_hash)
       select target, launch_id, 'landing', 'landing', facts, '' from discord_outbox`,
    )
    await channel.change({ statusId: 5 })
    expect(await channel.notify()).toMatchObject({ targets: [{ posted: 1, edited: 1, waiting: 0 }] })
    expect(await rows()).toEqual(['a card card sent', 'a landing landing pending', 'a hold hold:1 sent'])
  })

  it('ping the role for the configured kinds, never for cards, and use the configured name and picture', async () => {
    const avatar = 'https://images.example/bot.png'
    channel.env = { DISCORD_ROLE_ID: '77:hold', DISCORD_USERNAME: 'Range Control', DISCORD_AVATAR: avatar }
    await channel.notify()
    await channel.change({ net: '2026-11-22T13:00:00Z', statusId: 5 })
    await channel.notify()
    const posted = channel.discord.messages.map(({ pinged, username, avatar_url }) => [pinged, username, avatar_url])
    expect(posted).toEqual([[], ['<@&77>']].map((pinged) => [pinged, 'Range Control', avatar]))
    const hold = channel.discord.requests.at(-1)?.body
    expect(hold).toMatchObject({ content: '<@&77>', allowed_mentions: { parse: [], roles: ['77'] } })
  })

  it('are not sent after they expired or something newer happened', async () => {
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

  it('post no slip if the launch moves back before the slip could be sent', async () => {
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

  it('post nothing about changes before the card was posted, and remind of the time it shows', async () => {
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

  it('whose answer was lost are not repeated, and the following ones wait for the next run', async () => {
    await channel.notify()
    channel.now = at('22T10:00:00')
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
      'a hold hold:1 unknown it is not known whether Discord received the message: HTTP 500',
      'a slip slip:1 in hold:1',
      'b card card sent',
      'b reminder T-24h#0 in card',
    ])
    expect(notices()).toHaveLength(1)
  })

  it('that Discord refuses are given up, and the next run sends what their message also held', async () => {
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
    const refused = expect.stringMatching(/^a hold hold:1 dead Discord refused/)
    expect((await rows()).slice(1)).toEqual([refused, 'a slip slip:1 in hold:1'])
    await channel.notify()
    expect((await rows()).slice(1)).toEqual([refused, 'a slip slip:1 sent'])
  })
})

describe('one moment is one post', () => {
  const textOf = (index: number) => channel.discord.messages[index]?.embeds?.[0]?.description ?? ''

  it('a card that is posted because a reminder is due pings as the reminder, and its edits keep the ping', async () => {
    channel.env = { DISCORD_VOLUME: 'normal', DISCORD_ROLE_ID: '77' }
    await channel.notify()
    await tick(at('22T10:00:00'))
    await channel.database.pool.query(`update rocket_launches set status_id = 2 where launch_id = 'b'`)
    await tick(at('22T10:05:00'))
    expect(channel.discord.messages.map(({ pinged, content }) => [pinged, content])).toEqual([
      [[], undefined],
      [['<@&77>'], '<@&77>'],
    ])
    expect(textOf(1)).toContain('Date to be determined')
  })

  it('the end of a hold with a new T-0 is one post, and the hold shows the new T-0', async () => {
    await channel.notify()
    channel.now = at('22T08:00:00')
    await channel.change({ statusId: 5 })
    await channel.notify()
    await channel.change({ statusId: 1, net: '2026-11-22T10:30:00Z', seenAt: channel.now })
    expect(await channel.notify()).toMatchObject({ targets: [{ posted: 1, edited: 2 }] })
    expect((await rows()).slice(1)).toEqual(['a hold hold:1 sent', 'a go go:1 sent', 'a slip slip:1 in go:1'])
    expect(textOf(1)).toMatch(/^\*\*⏸️ On hold\*\*\nwas ~~<t:1795341600:F>~~, now <t:1795343400:F>/)
    expect(textOf(2)).toMatch(
      /^\*\*🟢 Go again, new T-0 <t:1795343400:t> \(\+30 minutes\)\*\*\n~~<t:1795341600:F>~~\n→ /,
    )
  })

  it('a webcast that goes live soon after a reminder is added to it', async () => {
    await channel.notify()
    await tick(at('22T09:00:00'))
    await channel.change({ webcastLive: true })
    await tick(at('22T09:10:00'))
    expect((await rows()).slice(1)).toEqual(['a reminder T-1h#0 sent', 'a webcast live#0 in T-1h#0'])
    expect(textOf(1)).toContain('\nWebcast is live')
    expect(methods()).toEqual(['POST', 'POST', 'PATCH', 'PATCH'])
  })

  it('after a slip of less than an hour, the reminder is edited and not posted again', async () => {
    await channel.notify()
    await tick(at('22T09:00:00'))
    await channel.change({ net: '2026-11-22T10:50:00Z' })
    for (const time of ['22T09:20:00', '22T09:50:00', '22T10:40:00']) await tick(at(time))
    expect((await rows()).filter((row) => row.startsWith('a '))).toEqual([
      ...['a card card sent', 'a reminder T-1h#0 sent', 'a slip slip:1 sent'],
      ...['a reminder T-1h#1 in T-1h#0', 'a reminder T-10m#1 sent'],
    ])
    expect(textOf(1)).toMatch(/^\*\*T-1 hour\*\*\nwas ~~<t:1795341600:F>~~, now <t:1795344600:F>/)
  })

  it('an edit of a notice that was deleted on Discord is not posted again', async () => {
    await channel.notify()
    await tick(at('22T09:00:00'))
    channel.discord.messages.splice(1)
    await channel.change({ net: '2026-11-22T10:50:00Z' })
    await tick(at('22T09:20:00'))
    await tick(at('22T09:25:00'))
    expect(await rows()).toContain(
      'a reminder T-1h#0 dead the message was deleted on Discord, so it is not posted again',
    )
    expect(methods()).toEqual(['POST', 'POST', 'PATCH', 'POST', 'PATCH'])
  })

  it('with volume normal, T-24h is the card, and T-1h is a post', async () => {
    channel.env = { DISCORD_VOLUME: 'normal' }
    await channel.notify()
    for (const time of ['21T10:00:00', '22T09:00:00', '22T09:50:00']) await tick(at(time))
    expect(await rows()).toEqual(['a card card sent', 'a reminder T-24h#0 in card', 'a reminder T-1h#0 sent'])
    expect(channel.discord.messages).toHaveLength(2)
  })
})

describe('cards', () => {
  it('a refused edit is not repeated before the facts change again', async () => {
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

  it('are edited until a week after the launch, and say when it is no longer listed', async () => {
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

  it("the nearest launch's card is edited once when its data becomes old, and once when it is current again", async () => {
    const { pool } = channel.database
    const source = upcomingUrl('https://ll.example/2.3.0').href
    const answered = async (when: Date) => {
      await pool.query('truncate rocket_launch_sync')
      await pool.query(
        'insert into rocket_launch_sync (source, last_attempt_at, last_success_at) values ($1, $2, $2)',
        [source, when],
      )
    }
    await answered(at('21T05:00:00'))
    for (const minutes of [0, 115, 125, 130, 290]) await tick(new Date(at('21T05:00:00').getTime() + minutes * MINUTE))
    expect(methods()).toEqual(['POST', 'PATCH'])
    expect(channel.discord.messages[0]?.embeds?.[0]?.footer?.text).toContain('05:00 UTC')
    await answered(at('21T10:05:00'))
    for (const minutes of [306, 311]) await tick(new Date(at('21T05:00:00').getTime() + minutes * MINUTE))
    expect(methods()).toEqual(['POST', 'PATCH', 'PATCH'])
  })
})

describe('a card that could not be posted while Discord was unreachable', () => {
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

  it('is posted as long as the result is news', async () => {
    await backAt('24T09:55:00')
    expect(titles()).toEqual(['Falcon 9 | Nearest', 'Electron | Far'])
  })

  it.each(['24T10:00:00', '30T10:00:00'])('is given up when the launch is long over: %s', async (time) => {
    expect(await backAt(time)).toMatchObject({ targets: [{ posted: 1, waiting: 0 }] })
    expect(titles()).toEqual(['Electron | Far'])
    expect(await rows()).toEqual(['a card card dead too late', 'c card card sent'])
    await tick(at('30T10:05:00'))
    expect(titles()).toEqual(['Electron | Far'])
  })

  it('is sent anyway after discord resend', async () => {
    await backAt('30T10:00:00')
    await channel.database.pool.query(
      `update discord_outbox set state = 'pending', reason = 'sent again as asked' where launch_id = 'a'`,
    )
    await tick(at('30T10:05:00'))
    expect(titles()).toEqual(['Electron | Far', 'Falcon 9 | Nearest'])
  })

  it('is posted without a slip if the launch turns out to be in the future', async () => {
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
  ])('is given up two days after the end of the period of NET (precision %s)', (net_precision, time, over) => {
    expect(isLongOver({ net: at('22T10:00:00'), net_precision }, at(time))).toBe(over)
  })
})

describe('reminders', () => {
  it('are posted once for each T-0, only the most urgent one, and again after a slip', async () => {
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

  it('are skipped if the tick is too late, but not if the run is slow', async () => {
    await channel.notify()
    await tick(at('21T10:06:00'))
    expect(await rows()).toEqual(['a card card sent'])
    channel.now = at('22T09:12:00')
    await channel.notify({ scheduledFor: at('22T09:00:00') })
    expect(await rows()).toContain('a reminder T-1h#0 sent')
  })

  it('of a launch that was never announced are its card', async () => {
    await channel.notify()
    await tick(at('22T10:00:00'))
    expect(await rows()).toEqual(['a card card sent', 'b card card sent', 'b reminder T-24h#0 in card'])
    expect(channel.discord.messages.map(({ embeds }) => embeds?.[0]?.title)).toEqual([
      ...['Falcon 9 | Nearest', 'Vulcan | Later'],
    ])
    await tick(at('22T10:00:30'))
    expect(channel.discord.messages).toHaveLength(2)
  })

  it('are also posted for other launches than the nearest, but not in the first run on a channel', async () => {
    await channel.store('c', 'Electron | Soon', '2026-11-22T10:30:00Z')
    await tick(at('21T10:30:00'))
    expect(await rows()).toEqual(['a card card sent'])
    await channel.forget()
    await tick(at('21T10:20:00'))
    await tick(at('21T10:30:00'))
    expect(await rows()).toEqual(['a card card sent', 'c card card sent', 'c reminder T-24h#0 in card'])
  })
})

describe('DISCORD_FILTER_…', () => {
  it('selects the launches for cards and reminders', async () => {
    channel.env = { DISCORD_FILTER_KEYWORDS: '-nearest' }
    expect(await channel.notify()).toMatchObject({ launchId: 'b', outcome: 'posted' })
    await tick(at('21T10:00:00'))
    expect(await rows()).toEqual(['b card card sent'])
    channel.env = { DISCORD_FILTER_PROVIDERS: 'Rocket Lab' }
    expect(await channel.notify()).toMatchObject({ launchId: null, outcome: 'no_launch' })
  })

  it('stops notices of a launch that was announced before, but still updates its card', async () => {
    await channel.notify()
    channel.env = { DISCORD_FILTER_KEYWORDS: '-nearest' }
    await channel.change({ net: '2026-11-22T16:00:00Z', statusId: 5 })
    await channel.notify()
    expect(await rows()).toEqual(['a card card sent', 'b card card sent'])
    expect(channel.discord.messages[0]?.embeds?.[0]?.description).toContain('On hold')
  })
})
