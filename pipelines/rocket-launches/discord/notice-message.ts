import { type Embed, escapeMarkdown, fitMessage, type Payload, truncate } from 'tminus/connectors/discord'
import { isPrecise } from '../../launches/launch.ts'
import { placeText } from '../../launches/launch-facts.ts'
import { moveOf } from '../../launches/net.ts'
import { amountText, precisionClass } from '../../launches/time.ts'
import type { Words } from '../../launches/words/en.ts'
import { buttonsOf, colorOf, emojiOf, escaped, netText, shortNetText, statusText, whenText } from './card-message.ts'
import { type NoticeKind, noticeOptions } from './notice-kinds.ts'
import type { NoticeFacts } from './notices.ts'

/**
 * The message of a notice, within Discord's limits: the event, the time of the launch, the reason, and links.
 * The same facts give the same message at any time.
 */
export function noticeMessage(facts: NoticeFacts, kind: NoticeKind, words: Words): Payload {
  const watchable = [kind, ...(facts.parts ?? [])].some((one) => noticeOptions(one)?.watchable)
  const description = [
    `**${noticeOptions(kind)?.ofStatus ? emojiOf(facts) : ''}${headlineOf(facts, kind, words)}**`,
    ...timesOf(facts, watchable, words),
    ...(facts.live ? [words.notice.kinds.webcast] : []),
    ...(watchable ? [short(placeText(facts))] : []),
    ...(facts.because && explains(facts, kind) ? [words.notice.because(short(facts.because))] : []),
  ]
  const embed: Embed = {
    title: escapeMarkdown(facts.name),
    ...(facts.details && { url: facts.details }),
    description: description.filter((line) => line !== '').join('\n'),
    color: kind === 'slip' ? AMBER : colorOf(facts),
  }
  return fitMessage({
    embeds: [embed],
    ...buttonsOf({ watch: watchable ? facts.webcast : null, details: facts.details }, words),
  })
}

/** True if the reason that Launch Library gives is that of this event. It often stays after a hold is over. */
function explains({ was }: NoticeFacts, kind: NoticeKind): boolean {
  return kind === 'hold' || kind === 'result' || (was !== undefined && kind !== 'go')
}

const AMBER = 0xffbf00

/** The event. If the message also announces a slip, the slip is part of the headline. */
function headlineOf(facts: NoticeFacts, kind: NoticeKind, words: Words): string {
  const event = eventOf(facts, kind, words)
  if (kind === 'slip' || facts.was === undefined) return event
  return (kind === 'go' && goAgainText(facts, facts.was, words)) || `${event} · ${slipText(facts, words)}`
}

function eventOf(facts: NoticeFacts, kind: NoticeKind, words: Words): string {
  switch (kind) {
    case 'slip':
      return slipText(facts, words)
    case 'result':
      return escaped(statusText(facts, words))
    case 'reminder':
      return words.notice.reminder(amountText(facts.offsetMs ?? 0, words))
    default:
      return words.notice.kinds[kind]
  }
}

/** Undefined if one of the two times is not known. */
function goAgainText(
  facts: NoticeFacts,
  was: Pick<NoticeFacts, 'net' | 'precision'>,
  words: Words,
): string | undefined {
  if (!isPrecise(facts.precision) || !isPrecise(was.precision)) return undefined
  const byMs = Date.parse(facts.net) - Date.parse(was.net)
  const amount = amountText(Math.abs(byMs), words)
  return words.notice.goAgain(shortNetText(facts, Math.abs(byMs) < HALF_A_DAY), `${byMs < 0 ? '−' : '+'}${amount}`)
}

const HALF_A_DAY = 12 * 3_600_000

/** "Postponed by 2 hours", "Date set", "Postponed, date open again": the move, and the change of precision. */
function slipText({ net, precision, was }: NoticeFacts, words: Words): string {
  const { notice } = words
  const before = { net: new Date(was?.net ?? net), precision: was?.precision ?? precision }
  const { direction, byMs, precision: known } = moveOf(before, { net: new Date(net), precision })
  const [old, present] = [precisionClass(before.precision), precisionClass(precision)]
  const moved = direction === 'unsigned' ? '' : notice[direction]
  if (known === 'same') return present <= WEEK ? notice.by(moved, amountText(byMs, words)) : moved
  const of = Math.max(old, present) <= DAY ? 'time' : known === 'set' && present > DAY ? 'period' : 'date'
  return moved === '' ? notice[known][of] : notice.both(moved, notice[known][of])
}

/** Classes of precision, see `precisionClass`. */
const DAY = 1
/** The coarsest class for which an amount is shown: months differ in length. */
const WEEK = 2

function timesOf(facts: NoticeFacts, watchable: boolean, words: Words): string[] {
  const { before, after, changed } = words.notice
  const { was, now } = facts
  if (was) {
    const old = now ? [was, facts] : [was]
    return [...old.map((net) => before(netText(net, words))), after(whenText(now ?? facts, words))]
  }
  const timeOf = watchable ? whenText : netText
  return [now ? changed(netText(facts, words), timeOf(now, words)) : timeOf(facts, words)]
}

const SHORT_LENGTH = 300

function short(text: string | null): string {
  return escaped(truncate(text ?? '', SHORT_LENGTH))
}
