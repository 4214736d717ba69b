import { humanDuration } from 'tminus'
import { isPrecise, isToTheHour, type StoredLaunch } from './launch.ts'
import type { StoredChange } from './read-launches.ts'
import { coarseTime, precisionOf, timeText } from './time.ts'
import { EN, statusName, type Words } from './words/en.ts'

/** `2026-12-12 14:05Z`, `2026-12-12 14:05Z ±1 h`, `12 December 2026, morning` or `NET December 2026`: a placeholder is never shown as a time. */
export function shortTime(net: Date, netPrecision: number | null, words: Words = EN): string {
  if (isToTheHour(netPrecision)) return `${instantText(net)} ±1 h`
  if (isPrecise(netPrecision)) return instantText(net)
  return coarseTime(net, precisionOf({ net_precision: netPrecision }), words).replace(/ \(.*\)$/, '')
}

/** `12 December 2026, 14:05 UTC (in 3 d)` */
export function longTime(net: Date, netPrecision: number | null, now: Date): string {
  return isPrecise(netPrecision)
    ? `${timeText(net, EN)} (${awayText(net, now)})`
    : coarseTime(net, precisionOf({ net_precision: netPrecision }), EN)
}

/** `2026-12-12 14:05Z` */
export function instantText(date: Date): string {
  return date
    .toISOString()
    .replace('T', ' ')
    .replace(/:\d\d\.\d+Z$/, 'Z')
}

function awayText(net: Date, now: Date): string {
  const ms = net.getTime() - now.getTime()
  return ms < 0 ? `${humanDuration(-ms)} ago` : `in ${humanDuration(ms)}`
}

export function statusText(launch: Pick<StoredLaunch, 'status_id' | 'status_name'>, words: Words): string {
  return statusName(launch.status_id, words) ?? launch.status_name ?? 'Unknown'
}

/** Launch Library's abbreviations: `Go`, `TBC`, `Success`. */
export function statusWord({ status_id, status_name }: Pick<StoredLaunch, 'status_id' | 'status_name'>): string {
  return STATUS_WORDS[status_id ?? 0] ?? status_name ?? 'Unknown'
}

/** By status id. */
export const STATUS_WORDS: Readonly<Record<number, string>> = {
  1: 'Go',
  2: 'TBD',
  3: 'Success',
  4: 'Failure',
  5: 'Hold',
  6: 'In Flight',
  7: 'Partial',
  8: 'TBC',
  9: 'Deployed',
}

/** `24 h later` */
export function moveText(from: Date, to: Date, words: Words = EN): string {
  return words.changes.moved(to.getTime() - from.getTime())
}

/** The changes of one launch that were seen at the same time. */
export interface Change {
  seenAt: Date
  launchId: string
  launch: string
  /** `['time', [<a Date>, ' → ', <a Date>, ' (24 h later)']]`: the caller formats each Date. */
  facts: [what: string, how: (string | Date)[]][]
}

/** `2026-12-12 14:05Z → 2026-12-13 14:05Z (24 h later)` */
export function changeText(how: readonly (string | Date)[]): string {
  return how.map((part) => (part instanceof Date ? instantText(part) : part)).join('')
}

/** Groups changes that were seen at the same time, in the order of `changes`. */
export function describeChanges(changes: readonly StoredChange[], words: Words = EN): Change[] {
  const groups = new Map<string, StoredChange[]>()
  for (const change of changes) {
    const key = `${change.seen_at.toISOString()} ${change.launch_id}`
    groups.set(key, [...(groups.get(key) ?? []), change])
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { seen_at: seenAt, launch_id: launchId, name } = first
    return [{ seenAt, launchId, launch: name ?? launchId, facts: factsOf(group, words) }]
  })
}

/** The changed fields as text. Omits the precision, which the time shows, and a window that moved exactly like the time. */
function factsOf(group: readonly StoredChange[], words: Words): Change['facts'] {
  const fields: Readonly<Record<string, string>> = words.changes.fields
  const net = group.find(({ field }) => field === 'net')
  const netText = net && changeText(howOf(net, words))
  const isNews = (field: string, how: string) => field !== 'net_precision' && (!isWindow(field) || how !== netText)
  return group
    .map((change) => ({ change, how: howOf(change, words) }))
    .filter(({ change: { field }, how }) => !net || isNews(field, changeText(how)))
    .map(({ change: { field }, how }) => [fields[field] ?? field.replaceAll('_', ' '), how])
}

function isWindow(field: string): boolean {
  return field === 'window_start' || field === 'window_end'
}

function howOf(change: StoredChange, words: Words): (string | Date)[] {
  const { reworded, another, placeholder } = words.changes
  // Shown instead of two long values; `-o json` has both.
  const summary = { mission_description: reworded, image_url: another }[change.field]
  if (summary !== undefined && change.old !== null && change.new !== null) return [summary]
  const [from, to] = [partOf(change, 'old', words), partOf(change, 'new', words)]
  if (changeText([from]) !== changeText([to])) return [from, ' → ', to, movedBy(change, words)]
  const isTime = change.field === 'net' || isWindow(change.field)
  return isTime ? [to, placeholder] : [reworded]
}

function partOf(change: StoredChange, side: 'old' | 'new', words: Words): string | Date {
  const { changes } = words
  const [value, precision] = [change[side], change[`${side}_precision`]]
  if (value === null) return changes.none
  switch (change.field) {
    case 'net':
    case 'window_start':
    case 'window_end':
      return isPrecise(precision) ? new Date(value) : shortTime(new Date(value), precision, words)
    case 'status_id':
      return statusText({ status_id: Number(value), status_name: changes.status(value) }, words)
    case 'net_precision':
      return changes.precisions[Number(value)] ?? value
    case 'webcast_live':
      return value === 'true' ? changes.live.true : changes.live.false
    case 'probability':
      return changes.weather(value)
    default:
      return shortened(value)
  }
}

const MAX_LENGTH = 60

/** The start of a long text; `-o json` has the whole text. */
function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  const letters = [...line]
  return letters.length > MAX_LENGTH ? `${letters.slice(0, MAX_LENGTH - 1).join('')}…` : line
}

/** ` (24 h later)`; empty unless both times are precise, because a moved placeholder does not mean that the launch moved. */
function movedBy({ field, old, new: now, old_precision, new_precision }: StoredChange, words: Words): string {
  const times = (field === 'net' || isWindow(field)) && isPrecise(old_precision) && isPrecise(new_precision)
  return times && old !== null && now !== null ? ` (${moveText(new Date(old), new Date(now), words)})` : ''
}
