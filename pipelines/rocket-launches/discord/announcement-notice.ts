import { type Embed, escapeMarkdown, fitMessage, type Payload, truncate } from 'tminus/connectors/discord'
import { placeText } from '../../launches/launch-facts.ts'
import { moveOf } from '../../launches/net.ts'
import { amountText, precisionClass } from '../../launches/time.ts'
import { WORDS } from '../../launches/words.ts'
import { buttonsOf, colorOf, escaped, netText, statusText, whenText } from './announcement.ts'
import type { NoticeFacts, NoticeKind } from './notices.ts'

/**
 * The message of a notice, within Discord's limits: what happened, when the launch is, why, and where to look.
 * Pure: equal facts, equal message, whenever it is sent.
 */
export function announceNotice(facts: NoticeFacts, kind: NoticeKind): Payload {
  const description = [
    `**${headlineOf(facts, kind)}**`,
    ...timesOf(facts, kind),
    ...(TO_GO.has(kind) ? [short(placeText(facts))] : []),
    ...(facts.because ? [WORDS.notice.because(short(facts.because))] : []),
  ]
  const embed: Embed = {
    title: escapeMarkdown(facts.name),
    ...(facts.details && { url: facts.details }),
    description: description.filter((line) => line !== '').join('\n'),
    color: colorOf(facts),
  }
  return fitMessage({ embeds: [embed], ...buttonsOf(TO_GO.has(kind) ? facts.webcast : null, facts.details) })
}

/** Of a hold, a new date, a result there is nothing to watch. */
const TO_GO = new Set<NoticeKind>(['go', 'liftoff', 'reminder', 'webcast'])

function headlineOf(facts: NoticeFacts, kind: NoticeKind): string {
  const words = WORDS.notice
  switch (kind) {
    case 'slip':
      return slipText(facts)
    case 'result':
      return escaped(statusText(facts))
    case 'reminder':
      return words.reminder(amountText(facts.offsetMs ?? 0))
    default:
      return words[kind]
  }
}

/** Signed, and with what is known now and was not, or the other way round: "Moved forward by 2 days", "Date set". */
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
/** Months have no length to count by. */
const WEEK = 2

function timesOf(facts: NoticeFacts, kind: NoticeKind): string[] {
  if (kind === 'hold' || kind === 'result') return [netText(facts)]
  if (facts.was === undefined) return [whenText(facts)]
  return [WORDS.notice.before(netText(facts.was)), WORDS.notice.after(whenText(facts))]
}

/** Long enough to be understood. */
const SHORT = 300

function short(text: string | null): string {
  return escaped(truncate(text ?? '', SHORT))
}
