import type { NoticeKind } from './notice-kinds.ts'
import type { Notice } from './notices.ts'

/** A notice, and its row in the outbox if it has one that is not on the channel yet. */
export interface Part extends Notice {
  row?: number
}

/** A message about the launch that is on the channel, or may be. */
export interface EarlierMessage {
  row: number
  kind: 'card' | NoticeKind
  /** The status that it shows. */
  status: number
  /** When it was posted. Null: not known. */
  postedAt: Date | null
  /** The reminders that it holds: how long before T-0 they were due, in ms, and that T-0. */
  reminders: readonly { offsetMs: number; net: Date }[]
}

/** What a channel could post about one launch now. */
export interface Situation {
  now: Date
  status: number
  /** True: the launch's card is posted now, so it can hold notices. */
  cardPosts: boolean
  /** Notices that are due for the first time. */
  due: readonly Notice[]
  /** Notices that were due before and are not on the channel yet. */
  waiting: readonly Part[]
  /** Reminders that become due within `MOMENT_MS`. */
  soon: readonly Notice[]
  /** See `Rules`. */
  maxReminders?: number | undefined
  earlier: readonly EarlierMessage[]
}

/** `card`: the launch's card, which is posted now or is on the channel. A number: the row of an earlier message. */
export type Holder = 'card' | 'lead' | number

export interface Moment {
  /** The notice that is posted as a message. Undefined: none is. */
  lead: Part | undefined
  /** The notices that another message holds. */
  merged: { part: Part; into: Holder }[]
  /** True: the webcast that just went live is decided again later, because a reminder is due soon. */
  webcastWaits: boolean
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Two posts about one launch are at least this far apart, unless its status or its announced T-0 changed. */
export const MOMENT_MS = 15 * MINUTE

/** The kind with the lowest number is the headline of a message. */
const RANK: Record<NoticeKind, number> = { result: 0, liftoff: 1, hold: 2, go: 3, slip: 4, reminder: 5, webcast: 6 }

/**
 * Decides which one message to post about a launch, and which message holds each other notice. Pure.
 *
 * - A card that is posted now holds the reminders, the webcast and the result, because it shows them.
 * - Each other notice is part of one message. The most important one is its headline.
 * - A message also holds the reminders that become due soon, so that no post follows it at once. A message that is only
 *   a reminder does not: the user asked for both.
 * - If nothing else is posted, an earlier message holds a reminder or webcast: see `holderOf`.
 * - A webcast that goes live shortly before a reminder waits for it.
 */
export function decideMoment(situation: Situation): Moment {
  const { due, waiting, cardPosts } = situation
  const isPost = cardPosts || [...waiting, ...due].some(({ kind }) => !isLight(kind))
  const held = new Map<Part, Holder>()
  for (const part of [...due, ...situation.soon]) {
    const into = holderOf(part, situation, isPost)
    if (into !== undefined) held.set(part, into)
  }
  const soon = situation.soon.filter((part) => !held.has(part))
  const open: Part[] = [...waiting, ...due.filter((part) => !held.has(part))]
  const webcastWaits = !cardPosts && soon.length > 0 && open.length > 0 && open.every(isNewWebcast)
  const merged = due.flatMap((part) => ofMap(part, held))
  if (webcastWaits) return { lead: undefined, merged, webcastWaits }
  const onCard = cardPosts ? [...open.filter(({ kind }) => isLight(kind) || kind === 'result'), ...soon] : []
  const [lead, ...rest] = open.filter((part) => !onCard.includes(part)).sort(byImportance)
  const ahead = cardPosts || lead === undefined || lead.kind === 'reminder' ? [] : soon
  merged.push(...onCard.map((part) => ({ part, into: 'card' as const })))
  merged.push(...[...rest, ...ahead].map((part) => ({ part, into: 'lead' as const })))
  return { lead, merged, webcastWaits }
}

/** True for the kinds that a card or another message can hold without a headline. */
function isLight(kind: NoticeKind): boolean {
  return kind === 'reminder' || kind === 'webcast'
}

function isNewWebcast({ kind, row }: Part): boolean {
  return kind === 'webcast' && row === undefined
}

function ofMap(part: Part, held: ReadonlyMap<Part, Holder>): { part: Part; into: Holder }[] {
  const into = held.get(part)
  return into === undefined ? [] : [{ part, into }]
}

function byImportance(a: Part, b: Part): number {
  return RANK[a.kind] - RANK[b.kind] || (a.facts.offsetMs ?? 0) - (b.facts.offsetMs ?? 0)
}

/**
 * The earlier message that holds this notice, so that it is no post:
 *
 * - a reminder for the same offset and for a T-0 less than an hour away, because that reminder is edited
 * - a recent message, for a webcast
 * - a recent message of another kind that shows the same status, for a reminder
 * - the latest message, for a reminder after the last one that may be a post: that message shows the new T-0
 */
function holderOf({ kind, facts, cardOnly }: Part, situation: Situation, isPost: boolean): Holder | undefined {
  const { earlier, now, status, maxReminders = Number.POSITIVE_INFINITY } = situation
  if (cardOnly) return 'card'
  if (!isLight(kind)) return undefined
  const repeated = earlier.find(({ reminders }) =>
    reminders.some(
      (one) => one.offsetMs === facts.offsetMs && Math.abs(one.net.getTime() - Date.parse(facts.net)) < HOUR,
    ),
  )
  if (repeated) return repeated.row
  if (isPost) return undefined
  const latestFirst = earlier.toSorted((a, b) => Number(b.postedAt) - Number(a.postedAt))
  const isRecent = ({ postedAt }: EarlierMessage) => Number(postedAt) > now.getTime() - MOMENT_MS
  const isFull = kind === 'reminder' && earlier.filter((one) => one.kind === kind).length >= maxReminders
  const holder = latestFirst.find((one) => {
    if (isFull || (kind === 'webcast' && isRecent(one))) return true
    return isRecent(one) && one.kind !== 'reminder' && one.status === status
  })
  return holder?.row
}
