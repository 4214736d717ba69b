import { discordLength, type Fields, length, list, snowflake } from './discord-checks.ts'
import { invalidFormBody } from './discord-rules.ts'

/** A thread of a forum or media channel. A test may archive, lock or delete it. */
export interface ForumThread {
  id: string
  name: string
  tags: string[]
  archived: boolean
  locked: boolean
  deleted: boolean
}

export interface ForumOptions {
  /** The ids of the forum's tags. */
  tags?: readonly string[]
  requiresTag?: boolean
}

export interface Refusal {
  status: number
  body: unknown
}

export function refused(status: number, code: number, message: string): Refusal {
  return { status, body: { message, code } }
}

/**
 * The thread that a post goes into, or Discord's refusal. `forum` is undefined for a text channel, in which every
 * numeric `thread_id` is a thread. A post wakes an archived thread.
 *
 * @param newId the id of the new message, which is also the id of the thread that it opens
 */
export function threadForPost(
  body: Fields,
  threadId: string | undefined,
  newId: string,
  { forum, threads }: { forum: ForumOptions | undefined; threads: ForumThread[] },
): { threadId: string | null } | Refusal {
  const opens = body.thread_name !== undefined
  if (opens && threadId !== undefined)
    return refused(400, 220002, 'Webhooks posted to forum channels cannot have both a thread_name and thread_id')
  if (opens && forum === undefined) return refused(400, 220003, 'Webhooks can only create threads in forum channels')
  if (opens && forum !== undefined) return openThread(body, newId, forum, threads)
  if (threadId === undefined && forum !== undefined)
    return refused(400, 220001, 'Webhooks posted to forum channels must have a thread_name or thread_id')
  if (threadId === undefined) return { threadId: null }
  if (forum === undefined) return /^\d+$/.test(threadId) ? { threadId } : refused(404, 10003, 'Unknown Channel')
  const thread = threads.find(({ id, deleted }) => id === threadId && !deleted)
  if (thread === undefined) return refused(404, 10003, 'Unknown Channel')
  if (thread.locked) return refused(400, 160005, 'Thread is locked')
  thread.archived = false
  return { threadId }
}

function openThread(body: Fields, id: string, forum: ForumOptions, threads: ForumThread[]) {
  const tags = Array.isArray(body.applied_tags) ? body.applied_tags.map(String) : []
  const name = String(body.thread_name).trim()
  const isNameWrong = discordLength(name) < 1 || discordLength(name) > 100
  const issues = [
    ...(isNameWrong ? [length(['thread_name'], 1, 100)] : []),
    ...list(body.applied_tags, ['applied_tags'], 5, snowflake),
  ]
  if (issues.length > 0) return { status: 400, body: invalidFormBody(issues) }
  if (tags.some((tag) => !forum.tags?.includes(tag))) return refused(404, 10087, 'Unknown Tag')
  if (forum.requiresTag && tags.length === 0)
    return refused(400, 40067, 'A tag is required to create a forum post in this channel')
  threads.push({ id, name, tags, archived: false, locked: false, deleted: false })
  return { threadId: id }
}

/** Discord's refusal to edit, delete or return a message of this thread; undefined if it accepts. */
export function refusalInThread(
  threadId: string | null,
  method: string,
  threads: readonly ForumThread[],
): Refusal | undefined {
  const thread = threads.find(({ id }) => id === threadId)
  if (thread?.deleted) return refused(404, 10003, 'Unknown Channel')
  return thread?.archived && method !== 'GET' ? refused(400, 50083, 'Thread is archived') : undefined
}
