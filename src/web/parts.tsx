/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { DagRunState, TaskInstanceState } from '../dag/state.ts'
import { preciseDuration } from '../duration.ts'
import type { InstanceRow } from '../operations/list-runs.ts'

export type AnyState = DagRunState | TaskInstanceState

/** Paths in a 16 × 16 box. A state is shown by shape, word and colour. */
export const SHAPES: Readonly<Record<AnyState, string>> = {
  none: 'M3 8h10',
  scheduled: 'M8 2a6 6 0 1 0 .01 0M8 5v3l2 2',
  queued: 'M3 4h10M3 8h10M3 12h6',
  running: 'M5 3l8 5-8 5z',
  success: 'M3 8.5l3.5 3.5L13 4.5',
  failed: 'M4 4l8 8M12 4l-8 8',
  skipped: 'M3 4l5 4-5 4M9 4l5 4-5 4',
  upstream_failed: 'M8 2v7M5 6l3-4 3 4M4 13l8 0',
  up_for_retry: 'M13 8a5 5 0 1 1-2-4M11 1v3h3',
  up_for_reschedule: 'M8 2a6 6 0 1 0 .01 0M8 4v4h4',
}

interface StateProps {
  state: AnyState
  live?: boolean
  /** Shown instead of the state's own word, for a state of something else. */
  word?: string
}

/** `✓ success`: icon, word and colour. */
export function StateMark({ state, live = false, word = stateWords(state) }: StateProps) {
  return (
    <span class={`state ${state}`} aria-live={live ? 'polite' : undefined}>
      <StateIcon state={state} />
      {word}
    </span>
  )
}

/** `none` means that a task waits for its upstream tasks. */
export function stateWords(state: string): string {
  return state === 'none' ? 'waiting' : state.replaceAll('_', ' ')
}

/** Uses the sprite that `Page` puts on every page. */
export function StateIcon({ state }: { state: AnyState }) {
  return (
    <svg class="icon" width="14" height="14" aria-hidden="true">
      <use href={`#i-${state}`} />
    </svg>
  )
}

/** Defines each shape once per page. */
export function Sprite() {
  return (
    <svg class="sprite" aria-hidden="true">
      {Object.entries(SHAPES).map(([state, d]) => (
        <symbol id={`i-${state}`} viewBox="0 0 16 16">
          <path d={d} />
        </symbol>
      ))}
    </svg>
  )
}

/**
 * An instant. The server writes UTC; the page's script changes it to the reader's zone.
 *
 * @param show `date`: without the time of day; `clock`: only the time of day; `ago`: the distance from now, past or
 *   future; `next`: like `ago`, but a past instant is shown as overdue; `short`: without this year and without `:00`
 * @param title the tooltip; null for none without scripts. Default: the instant in UTC
 */
export function Time({ at, show = 'time', title }: TimeProps) {
  if (at == null) return <span class="nothing">–</span>
  const iso = at.toISOString()
  const utc = `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`
  return (
    <time datetime={iso} title={title === undefined ? utc : (title ?? undefined)} data-show={show}>
      {show === 'date'
        ? iso.slice(0, 10)
        : show === 'clock'
          ? iso.slice(11, 23)
          : show === 'short'
            ? `${shortInstant(at)} UTC`
            : utc}
    </time>
  )
}

interface TimeProps {
  at: Date | null | undefined
  show?: 'time' | 'date' | 'ago' | 'next' | 'clock' | 'short'
  title?: string | null
}

/** `29 Nov 17:10`, UTC. With the year if it is not this year, and with the seconds if there are any. */
export function shortInstant(at: Date): string {
  const [, day, month] = at.toUTCString().split(' ')
  const year = at.getUTCFullYear() === new Date().getUTCFullYear() ? '' : ` ${at.getUTCFullYear()}`
  const clock = at.toISOString().slice(11, at.getUTCSeconds() === 0 ? 16 : 19)
  return `${Number(day)} ${month}${year} ${clock}`
}

/** `1 min 50 s`; a dash for null. */
export function Duration({ ms }: { ms: number | null | undefined }) {
  if (ms == null) return <span class="nothing">–</span>
  return <span class="number">{preciseDuration(Math.max(0, ms))}</span>
}

/** The duration in ms; null before the start. */
export function durationOf(start: Date | string | null, end: Date | string | null, now = Date.now()): number | null {
  if (start === null) return null
  return (end === null ? now : new Date(end).getTime()) - new Date(start).getTime()
}

/** How long the latest try took, or has run so far, in ms. Null if the task waits, also for its next try. */
export function tookOf(
  one: Pick<InstanceRow, 'state' | 'start_date' | 'end_date'> & { elements?: string },
): number | null {
  const waits = one.end_date === null && one.state !== 'running' && one.elements === undefined
  return waits ? null : durationOf(one.start_date, one.end_date)
}

/** Shown instead of an empty list. Says what that means and what to do. */
export function Empty({ title, children }: { title: string; children?: Child }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  )
}

export type Fact = readonly [name: string, value: Child | undefined]

/** Names and values. Skips facts without a value. `strip` puts the facts side by side. */
export function Facts({ facts, strip = false }: { facts: readonly Fact[]; strip?: boolean }) {
  const known = facts.filter(([, value]) => value !== undefined && value !== null && value !== '' && value !== false)
  return (
    <dl class={strip ? 'strip' : 'facts'}>
      {known.map(([name, value]) => (
        <div>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Wraps a table that may be wider than the screen. Keyboard users can focus it to scroll. */
export function Scroll({ name, fitting = false, children }: { name: string; fitting?: boolean; children?: Child }) {
  return (
    <section class={`scroll${fitting ? ' fitting' : ''}`} aria-label={name} tabindex={0}>
      {children}
    </section>
  )
}

/** The head of a column. `number` is aligned right; `hidden` is only for screen readers. */
export type Column = string | { number: string } | { hidden: string }

interface TableProps {
  name: string
  columns: readonly Column[]
  /** On a phone, a card puts some values side by side. */
  brief?: boolean
  /** The rows reload when this mark changes, and also the element that the selector `also` names. */
  live?: { key: string; mark: string; also?: string } | undefined
  children?: Child
}

/** A table. On a phone each row becomes a card, where `data-label` names a cell. */
export function Table({ name, columns, brief = false, live, children }: TableProps) {
  return (
    <Scroll name={name}>
      <table class={brief ? 'folds brief' : 'folds'}>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head column={column} />
            ))}
          </tr>
        </thead>
        <tbody data-live={live?.key} data-mark={live?.mark} data-also={live?.also}>
          {children}
        </tbody>
      </table>
    </Scroll>
  )
}

function Head({ column }: { column: Column }) {
  if (typeof column === 'string') return <th>{column}</th>
  if ('number' in column) return <th class="right">{column.number}</th>
  return (
    <th>
      <span class="hidden">{column.hidden}</span>
    </th>
  )
}

/** An id. A line breaks after `_`, `.` or `-` rather than within a word. */
export function Id({ id }: { id: string }) {
  return (
    <>
      {id.split(/(?<=[_.-])(?=[^_.-])/).map((part, index) => (
        <>
          {index > 0 && <wbr />}
          {part}
        </>
      ))}
    </>
  )
}

interface SearchInputProps {
  id: string
  value: string
  /** The label. This text is also the placeholder of the empty field. */
  label: string
  [attribute: `hx-${string}`]: string
}

/** The text field of a search. `hx-preserve` keeps its input when the page reloads. */
export function SearchInput({ id, value, label, ...htmx }: SearchInputProps) {
  return (
    <>
      <label for={id} class="hidden">
        {label}
      </label>
      <input id={id} type="search" name="search" value={value} placeholder={label} {...htmx} />
    </>
  )
}

/** A message about a result or a problem. */
export function Notice({ kind = 'info', children }: { kind?: 'info' | 'good' | 'bad'; children?: Child }) {
  return (
    <p class={`notice ${kind}`} role={kind === 'bad' ? 'alert' : 'status'}>
      {children}
    </p>
  )
}

/** A link to another site. Other addresses than http(s), such as `javascript:`, become plain text. */
export function OutLink({ href, children }: { href: string | null | undefined; children?: Child }) {
  const safe = safeHref(href)
  if (safe === undefined) return <>{children}</>
  return (
    <a href={safe} rel="noreferrer noopener" target="_blank">
      {children}
    </a>
  )
}

/** The address if it is http(s), else undefined. Use it for every href and src from data. */
export function safeHref(href: string | null | undefined): string | undefined {
  if (href == null || !URL.canParse(href)) return undefined
  const { protocol, href: whole } = new URL(href)
  return protocol === 'https:' || protocol === 'http:' ? whole : undefined
}
