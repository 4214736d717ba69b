import { type Embed, escapeMarkdown, fitMessage, type Payload, truncate } from 'tminus/connectors/discord'
import { placeText } from '../../launches/launch-facts.ts'
import { moveOf } from '../../launches/net.ts'
import { amountText, precisionClass } from '../../launches/time.ts'
import { WORDS } from '../../launches/words.ts'
import { buttonsOf, colorOf, escaped, netText, statusText, whenText } from './card-message.ts'
import { NOTICE_KINDS, type NoticeKind } from './notice-kinds.ts'
import type { NoticeFacts } from './notices.ts'

/**
 * The message of a notice, within Discord's limits: the event, the time of the launch, the reason, and links.
 * The same facts give the same message at any time.
 */
export function noticeMessage(facts: NoticeFacts, kind: NoticeKind): Payload {
  const { watchable } = NOTICE_KINDS[kind]
  const description = [
    `**${headlineOf(facts, kind)}**`,
    ...timesOf(facts, watchable),
    ...(watchable ? [short(placeText(facts))] : []),
    ...(facts.because ? [WORDS.notice.because(short(facts.because))] : []),
  ]
  const embed: Embed = {
    title: escapeMarkdown(facts.name),
    ...(facts.details && { url: facts.details }),
    description: description.filter((line) => line !== '').join('\n'),
    color: colorOf(facts),
  }
  return fitMessage({ embeds: [embed], ...buttonsOf(watchable ? facts.webcast : null, facts.details) })
}

function headlineOf(facts: NoticeFacts, kind: NoticeKind): string {
  switch (kind) {
    case 'slip':
      return slipText(facts)
    case 'result':
      return escaped(statusText(facts))
    case 'reminder':
      return WORDS.notice.reminder(amountText(facts.offsetMs ?? 0))
    default:
      return NOTICE_KINDS[kind].label
  }
}

/** "Postponed by 2 hours", "Date set", "Postponed, date open again": the move, and the change of precision. */
function slipText({ net, precision, was }: NoticeFacts): string {
  const words = WORDS.notice
  const before = { net: new Date(was?.net ?? net), precision: was?.precision ?? precision }
  const { direction, byMs, precision: known } = moveOf(before, { net: new Date(net), precision })
  const [old, present] = [precisionClass(before.precision), precisionClass(precision)]
  const moved = direction === 'unsigned' ? '' : words[direction]
  if (known === 'same') return present <= WEEK ? words.by(moved, amountText(byMs)) : moved
  const of = Math.max(old, present) <= DAY ? 'time' : known === 'set' && present > DAY ? 'period' : 'date'
  return moved === '' ? words[known][of] : words.both(moved, words[known][of])
}

/** Classes of precision, see `precisionClass`. */
const DAY = 1
/** The coarsest class for which an amount is shown: months differ in length. */
const WEEK = 2

function timesOf(facts: NoticeFacts, watchable: boolean): string[] {
  if (facts.was) return [WORDS.notice.before(netText(facts.was)), WORDS.notice.after(whenText(facts))]
  return [watchable ? whenText(facts) : netText(facts)]
}

const SHORT_LENGTH = 300

function short(text: string | null): string {
  return escaped(truncate(text ?? '', SHORT_LENGTH))
}
