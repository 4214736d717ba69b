import { EN } from '../../pipelines/launches/words/en.ts'
import { KIND_NAMES, type NoticeKind } from '../../pipelines/rocket-launches/discord/notice-kinds.ts'
import type { Payload } from '../../src/connectors/discord-message.ts'

/** Recognizes a message as its reader does; only cards have fields or an author. */
export function kindOf(message: Payload): 'card' | NoticeKind {
  const { fields, author } = message.embeds?.[0] ?? {}
  if (fields ?? author) return 'card'
  const headline = headlineOf(message)
  if (headline.startsWith('T-')) return 'reminder'
  if (RESULTS.some((result) => isHeadline(headline, result))) return 'result'
  if (headline.startsWith('Go again')) return 'go'
  return KIND_NAMES.find((kind) => isHeadline(headline, EN.notice.kinds[kind])) ?? 'slip'
}

/** True for the headline of the event, with or without a slip: `On hold · Postponed by 2 hours`. */
function isHeadline(headline: string, event: string): boolean {
  return headline === event || headline.startsWith(`${event} · `)
}

const RESULTS: readonly string[] = [EN.status[3], EN.status[4], EN.status[7]]

/** The first line: the status or the event. */
export function headlineOf(message: Payload): string {
  return linesOf(message)[0]?.replaceAll('**', '') ?? ''
}

/** The description line by line, with times as `2026-01-14 18:08Z`, without countdowns and the emoji of the status. */
export function linesOf(message: Payload): string[] {
  return (message.embeds?.[0]?.description ?? '')
    .replace(/^\*\*\p{Extended_Pictographic}\uFE0F? /u, '**')
    .replaceAll(/ · <t:\d+:R>/g, '')
    .replaceAll(/<t:(\d+):[Fft]>/g, (_, seconds: string) => shortInstant(new Date(Number(seconds) * 1_000)))
    .split('\n')
    .filter((line) => line !== '')
}

/** `2026-01-14 18:08Z`; with seconds unless they are zero. */
export function shortInstant(date: Date): string {
  return date
    .toISOString()
    .replace('T', ' ')
    .replace(/(:00)?\.\d+Z$/, 'Z')
}

/** The message without its footer, which shows the age of the data. */
export function withoutFooter({ embeds, components }: Payload): object {
  const shown = embeds?.map(({ footer: _age, ...embed }) => embed) ?? []
  return { embeds: shown, components: components ?? [] }
}
