import { describe, expect, it } from 'vitest'
import { setState } from '../../../../pipelines/rocket-launches/discord/outbox-list.ts'
import { disable, listDisabled } from '../../../../pipelines/rocket-launches/discord/target.ts'
import { parseWebhookUrl } from '../../../../src/connectors/discord.ts'
import { Announcing, NOW } from '../../../support/announcing.ts'

const channel = Announcing.use()
const NOTICES = { DISCORD_NOTICES: 'slip,hold,go,result,reminder', DISCORD_REMINDERS: '24h' }
const LATER = '2026-11-22T13:00:00Z'

/** `thread name: message, message`: a card is named by its number of versions, a notice by its first words. */
function threads(): string[] {
  return channel.discord.threads.map(({ id, name }) => `${name}: ${inThread(id).join(', ')}`)
}

function inThread(id: string | null): string[] {
  return channel.discord.messages
    .filter(({ threadId }) => threadId === id)
    .map(({ embeds, versions }) => {
      const [embed] = embeds ?? []
      return embed?.author === undefined ? 'notice' : `card v${versions.length}`
    })
}

async function rows(): Promise<string[]> {
  const all = (await channel.outbox()) as Record<string, string | null>[]
  return all.map(({ launch_id, subject, state, reason, merged_into }) => {
    const holder = all.find(({ outbox_id }) => outbox_id === merged_into)
    return [launch_id, subject, holder ? `in ${holder.subject}` : state, reason].filter(Boolean).join(' ')
  })
}

/** The first thread. */
function thread() {
  const [first] = channel.discord.threads
  if (first === undefined) throw new Error('the forum has no thread')
  return first
}

const requests = () =>
  channel.discord.requests.map(({ method, query: { thread_id } }) => `${method} ${thread_id ?? ''}`)

async function openForum(env: Record<string, string> = {}): Promise<void> {
  channel.forum = { tags: ['11', '12'] }
  channel.env = { ...NOTICES, ...env }
  await channel.notify()
}

describe('in a forum', () => {
  it('each launch has a thread with its name: the card is the first message, its notices follow', async () => {
    await openForum()
    await channel.change({ net: LATER, statusId: 5 })
    expect(await channel.notify()).toMatchObject({ outcome: 'edited', targets: [{ posted: 1, edited: 1 }] })
    channel.now = new Date('2026-11-22T10:00:00Z')
    expect(await channel.notify({ scheduledFor: channel.now })).toMatchObject({ targets: [{ posted: 1 }] })
    expect(threads()).toEqual(['Falcon 9 | Nearest: card v2, notice', 'Vulcan | Later: card v1'])
    expect(inThread(null)).toEqual([])
    // Only the very first request asks what kind of channel it is.
    const id = thread().id
    expect(requests()).toEqual(['POST ', 'POST ', `POST ${id}`, `PATCH ${id}`, 'POST '])
    await channel.notify()
    expect(requests()).toHaveLength(5)
  })

  it('a webhook that an older version disabled because its channel is a forum is enabled by the next run', async () => {
    const reason =
      "the webhook belongs to a forum, where every message needs a thread (Discord's code 220001); create a post there and add ?thread_id= with its id to DISCORD_WEBHOOK_URL"
    await disable(channel.database.pool, parseWebhookUrl(channel.discord.webhookUrl), reason)
    channel.forum = {}
    expect(await channel.notify({ scheduledFor: NOW })).toMatchObject({ outcome: 'posted' })
    expect(await listDisabled(channel.database.pool)).toEqual([])
  })

  it("the thread's name is cut at 100 code points", async () => {
    await channel.change({})
    await channel.database.pool.query(`update rocket_launches set name = $1 where launch_id = 'a'`, ['🚀'.repeat(120)])
    await openForum()
    expect(thread().name).toBe(`${'🚀'.repeat(99)}…`)
  })

  it('a launch whose thread was deleted gets no more messages, and the other launches do', async () => {
    await openForum()
    thread().deleted = true
    await channel.change({ net: LATER, statusId: 5 })
    expect(await channel.notify()).toMatchObject({
      outcome: 'deleted',
      targets: [{ posted: 0, edited: 0, waiting: 0 }],
    })
    const ended = 'the thread of this launch was deleted on Discord, so the launch gets no more messages there'
    expect(await rows()).toEqual([`a card dead ${ended}`, `a hold:1 dead ${ended}`, 'a slip:1 in hold:1'])
    const before = requests().length
    await channel.change({ net: '2026-11-22T15:00:00Z', statusId: 1 })
    expect(await channel.notify()).toMatchObject({ outcome: 'deleted' })
    expect(requests()).toHaveLength(before)
    expect(await rows()).toHaveLength(3)
    channel.now = new Date('2026-11-22T10:00:00Z')
    const { targets } = await channel.notify({ scheduledFor: channel.now })
    expect(targets).toEqual([expect.objectContaining({ posted: 1 })])
    expect(targets[0]).not.toHaveProperty('disabled')
    expect(threads()[1]).toBe('Vulcan | Later: card v1')
  })

  it('`discord resend` of the card opens a new thread', async () => {
    await openForum()
    thread().deleted = true
    await channel.change({ net: LATER })
    await channel.notify()
    await setState(channel.database.pool, Number((await channel.outbox())[0]?.outbox_id), {
      ...{ state: 'pending', reason: 'sent again as asked' },
    })
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
    await channel.change({ statusId: 5 })
    await channel.notify()
    expect(threads()[1]).toBe('Falcon 9 | Nearest: card v2, notice')
  })

  it('a deleted ?thread_id= still disables the webhook', async () => {
    channel.forum = {}
    const webhook = parseWebhookUrl(`${channel.discord.webhookUrl}?thread_id=42`)
    expect(await channel.ending({ webhook })).toHaveProperty('message', expect.stringContaining("Discord's code 10003"))
    expect(await channel.notify({ webhook, scheduledFor: NOW })).toMatchObject({ outcome: 'disabled' })
  })

  it('a notice reopens an archived thread, so the card is edited after it', async () => {
    await openForum()
    thread().archived = true
    // A slip is announced only after it has stayed the same for ten minutes.
    await channel.change({ net: LATER, seenAt: NOW })
    expect(await channel.notify()).toMatchObject({ outcome: 'deferred' })
    const before = requests().length
    expect(await channel.notify()).toMatchObject({ outcome: 'unchanged' })
    expect(requests()).toHaveLength(before)
    expect(await rows()).toEqual(['a card sent the thread is archived; the next message in it updates the card'])
    channel.now = new Date('2026-11-21T05:10:00Z')
    expect(await channel.notify()).toMatchObject({ outcome: 'edited' })
    expect(threads()).toEqual(['Falcon 9 | Nearest: card v2, notice'])
    expect(await rows()).toContain('a card sent')
  })

  it.each([
    ['a slip', { net: LATER }],
    ['a hold', { statusId: 5 }],
  ])(
    'without a notice of %s, the card is posted again into the archived thread, and edited there later',
    async (_news, change) => {
      await openForum({ DISCORD_NOTICES: 'none' })
      thread().archived = true
      await channel.change(change)
      expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
      expect(threads()).toEqual(['Falcon 9 | Nearest: card v1, card v1'])
      await channel.change({ net: '2026-11-22T14:00:00Z' })
      expect(await channel.notify()).toMatchObject({ outcome: 'edited' })
      expect(threads()).toEqual(['Falcon 9 | Nearest: card v1, card v2'])
    },
  )

  it('a liftoff without a notice of it is news, even if the channel gets results', async () => {
    await openForum({ DISCORD_NOTICES: 'result' })
    thread().archived = true
    await channel.change({ statusId: 6 })
    await channel.notify()
    expect(threads()[0]).toBe('Falcon 9 | Nearest: card v1, card v1')
  })

  it('a change that is no news does not reopen an archived thread', async () => {
    await openForum({ DISCORD_NOTICES: 'none' })
    thread().archived = true
    await channel.change({ net: '2026-11-22T10:05:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deferred' })
    // The changes are compared with the card, so that small ones add up.
    await channel.change({ net: '2026-11-22T10:10:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deferred' })
    await channel.change({ net: '2026-11-22T12:10:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
  })

  it('an archived thread that is deleted before the card is posted again is not opened anew', async () => {
    await openForum({ DISCORD_NOTICES: 'none' })
    thread().archived = true
    await channel.change({ net: LATER })
    channel.intercept = ({ method }) => {
      if (method === 'POST') thread().deleted = true
      return false
    }
    expect(await channel.notify()).toMatchObject({ outcome: 'deleted' })
    await channel.change({ net: '2026-11-22T14:00:00Z' })
    expect(await channel.notify()).toMatchObject({ outcome: 'deleted' })
    expect(channel.discord.threads).toHaveLength(1)
  })

  it('a locked thread ends the messages about its launch only', async () => {
    await openForum()
    thread().locked = true
    await channel.change({ net: LATER })
    const { targets } = await channel.notify()
    expect(targets).toMatchObject([{ posted: 0, waiting: 0 }])
    expect((await rows())[0]).toMatch(/^a card dead the thread of this launch is locked on Discord/)
  })

  it('a forum that requires a tag fails the run in one sentence, and accepts the tags of DISCORD_FORUM_TAGS', async () => {
    channel.forum = { tags: ['11', '12'], requiresTag: true }
    const needed =
      "the forum requires a tag (Discord's code 40067); set DISCORD_FORUM_TAGS to the number of one of its tags"
    expect(await channel.ending()).toHaveProperty('message', needed)
    expect(await channel.ending({ env: { DISCORD_FORUM_TAGS: '13' } })).toHaveProperty(
      'message',
      expect.stringMatching(/HTTP 404, code 10087.*Unknown Tag.*check DISCORD_FORUM_TAGS/),
    )
    expect(await channel.notify({ env: { DISCORD_FORUM_TAGS: '11, 12' } })).toMatchObject({ outcome: 'posted' })
    expect(thread().tags).toEqual(['11', '12'])
  })

  it('a card whose answer was lost is posted again when its facts change, or for a notice', async () => {
    channel.interceptAnswer = ({ method }, response) => {
      if (channel.discord.threads.length === 0 || method !== 'POST') return false
      response.destroy()
      return true
    }
    await openForum()
    expect(await rows()).toEqual([expect.stringMatching(/^a card unknown/)])
    channel.interceptAnswer = undefined
    const before = requests().length
    await channel.notify()
    expect(requests()).toHaveLength(before)
    channel.now = new Date('2026-11-21T10:00:00Z')
    await channel.notify({ scheduledFor: channel.now })
    expect(threads()).toEqual(['Falcon 9 | Nearest: card v1', 'Falcon 9 | Nearest: card v1, notice'])
  })

  it('a card whose answers are lost again and again is posted at most three times for its notices', async () => {
    channel.interceptAnswer = ({ method }, response) => {
      if (channel.discord.threads.length === 0 || method !== 'POST') return false
      response.destroy()
      return true
    }
    await openForum()
    channel.now = new Date('2026-11-21T10:00:00Z')
    for (let run = 0; run < 4; run += 1) {
      expect(await channel.notify({ scheduledFor: channel.now })).toMatchObject({ targets: [{ posted: 0 }] })
    }
    expect(threads()).toHaveLength(3)
    expect(await rows()).toContain('a T-24h#0 pending')
    channel.interceptAnswer = undefined
    await channel.change({ statusId: 5 })
    await channel.notify({ scheduledFor: channel.now })
    expect(threads().at(-1)).toBe('Falcon 9 | Nearest: card v1, notice')
  })

  it('a notice waits if its card was lost before it was known that the channel is a forum', async () => {
    channel.forum = {}
    channel.env = NOTICES
    channel.refuse(502, {})
    await channel.notify()
    channel.intercept = undefined
    channel.now = new Date('2026-11-21T10:00:00Z')
    await channel.notify({ scheduledFor: channel.now })
    expect(threads()).toEqual(['Falcon 9 | Nearest: card v1'])
    expect(await rows()).toContain('a T-24h#0 pending waits for the thread of its launch')
    await channel.notify({ scheduledFor: channel.now })
    expect(threads()).toEqual(['Falcon 9 | Nearest: card v1, notice'])
  })

  it('a webhook that was moved to a text channel posts without threads again', async () => {
    await openForum({ DISCORD_NOTICES: 'none' })
    channel.forum = undefined
    await channel.database.pool.query(`delete from rocket_launches where launch_id = 'a'`)
    expect(await channel.notify()).toMatchObject({ outcome: 'posted' })
    expect(inThread(null)).toEqual(['card v1'])
    await channel.database.pool.query(`delete from rocket_launches where launch_id = 'b'`)
    await channel.store('c', 'Electron | Third', LATER)
    await channel.notify()
    expect(requests().slice(2)).toEqual(['POST ', 'POST ', 'POST '])
  })

  it('after a run that is killed at any await, every notice is in its thread, and at most one thread is there twice', async () => {
    const { pool } = channel.database
    for (let awaits = 1; ; awaits += 1) {
      await channel.forget()
      await pool.query('delete from rocket_launches')
      for (const list of [channel.discord.messages, channel.discord.threads, channel.discord.requests]) list.splice(0)
      channel.now = NOW
      await channel.store('a', 'Falcon 9 | Nearest', '2026-11-22T05:00:00Z')
      await openForum()
      await channel.change({ net: '2026-11-22T05:40:00Z', statusId: 5 })
      await channel.store('c', 'Electron | Soon', '2026-11-22T05:00:00Z')
      const survived = await channel.mortal(awaits, { scheduledFor: NOW })
      await channel.age()
      for (let run = 0; run < 2; run += 1) await channel.notify({ scheduledFor: NOW })
      expect(inThread(null)).toEqual([])
      const names = channel.discord.threads.map(({ name }) => name)
      expect(names.length - new Set(names).size).toBeLessThanOrEqual(1)
      for (const one of threads()) expect(one).toMatch(/: card v\d/)
      // The message in flight when the process died may be unknown.
      const unfinished = (await rows()).filter((row) => !/ (sent|in \S+)$/.test(row))
      expect([unfinished.length <= 1, unfinished.filter((row) => !/ unknown /.test(row))]).toEqual([true, []])
      if (survived) break
      expect(awaits).toBeLessThan(200)
    }
    expect(threads()).toEqual(['Falcon 9 | Nearest: card v2, notice', 'Electron | Soon: card v1'])
  })
})

describe('the loopback Discord', () => {
  const send = async (method: 'POST' | 'PATCH', path: string, body: object) => {
    const response = await fetch(`${channel.discord.webhookUrl}${path}`, {
      ...{ method, headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ content: 'hello', allowed_mentions: { parse: [] }, ...body }),
    })
    const { code, errors, channel_id: channelId } = (await response.json()) as Record<string, unknown>
    return { status: response.status, code, errors, channelId }
  }

  it('refuses in a forum what Discord refuses there', async () => {
    channel.forum = { tags: ['11'], requiresTag: true }
    const post = async (query: string, body: object) => {
      const { status, code } = await send('POST', `?wait=true${query}`, body)
      return [status, code]
    }
    expect(await post('', {})).toEqual([400, 220001])
    expect(await post('&thread_id=7', { thread_name: 'a' })).toEqual([400, 220002])
    expect(await post('&thread_id=7', {})).toEqual([404, 10003])
    expect(await post('', { thread_name: 'a' })).toEqual([400, 40067])
    expect(await post('', { thread_name: 'a', applied_tags: ['12'] })).toEqual([404, 10087])
    for (const name of ['', ' ', 'x'.repeat(101)])
      expect(await post('', { thread_name: name, applied_tags: ['11'] })).toEqual([400, 50035])
    channel.forum = undefined
    expect(await post('', { thread_name: 'a' })).toEqual([400, 220003])
  })

  it('a post reopens an archived thread, an edit does not, and a deleted thread is unknown', async () => {
    channel.forum = {}
    const { channelId: id } = await send('POST', '?wait=true', { thread_name: '🚀'.repeat(100) })
    expect(thread()).toMatchObject({ id, archived: false })
    // As on Discord, a thread has the id of its first message.
    const edit = () => send('PATCH', `/messages/${id}?thread_id=${id}`, {})
    thread().archived = true
    expect(await edit()).toMatchObject({ status: 400, code: 50083 })
    expect(await send('POST', `?wait=true&thread_id=${id}`, {})).toMatchObject({ status: 200, channelId: id })
    expect(await edit()).toMatchObject({ status: 200 })
    thread().locked = true
    expect(await send('POST', `?wait=true&thread_id=${id}`, {})).toMatchObject({ status: 400, code: 160005 })
    thread().deleted = true
    expect(await edit()).toMatchObject({ status: 404, code: 10003 })
  })
})
