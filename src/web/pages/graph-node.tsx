/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { preciseDuration } from '../../duration.ts'
import type { InstanceRow } from '../../operations/list-runs.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import type { Folded as FoldedElements } from '../fold-elements.ts'
import { CHARACTER, type Placed } from '../graph-layout.ts'
import { stateWords, tookOf } from '../parts.tsx'
import { tasksOf } from './pick.tsx'

export type Shown = FoldedElements<Pick<InstanceRow, 'task_id' | 'state' | 'reason' | 'start_date' | 'end_date'>>

/** A group that is one node. */
export interface Folded {
  count: number
  /** Opens the group. */
  href: string
}

interface NodeProps {
  node: Placed['nodes'][number]
  /** Its number in the drawing. The script follows the edges by these numbers. */
  at: number
  /** The numbers of the tasks whose paths it is on. */
  on: string | undefined
  rule: string | undefined
  group: Folded | undefined
  instance: Shown | undefined
  scrub: (text: string) => string
  href: string
}

/** A task or a folded group as a box, with its state if it belongs to a run. */
export function Node({ node: { id, x, y, width, height }, at, on, rule, group, instance, scrub, href }: NodeProps) {
  const reason = instance?.reason && beginning(instance.reason, SHOWN.listed, scrub)
  const left = instance ? 36 : 14
  const room = width - left - 10
  const sub = subOf(instance, group, rule, reason || '')
  const title = [
    id,
    instance && `: ${stateWords(instance.state)}`,
    rule && `, trigger rule: ${rule}`,
    reason && `, ${reason}`,
  ]
  return (
    <a class={`node ${instance?.state ?? ''}`} id={`node-${at}`} href={href} data-node={at} data-on={on}>
      <title>{title.filter(Boolean).join('')}</title>
      {group && <rect class="box" x={x + 4} y={y + 4} width={width} height={height} rx="8" />}
      <rect class="box" x={x} y={y} width={width} height={height} rx="8" />
      {instance && (
        <svg class="icon" aria-hidden="true" x={x + 11} y={y + 14} width="16" height="16">
          <use href={`#i-${instance.state}`} />
        </svg>
      )}
      {/* An inner svg cuts off text that is wider than expected, in any font. */}
      {/* biome-ignore lint/a11y/noSvgWithoutTitle: the link around it has a title */}
      <svg x={x + left} y={y} width={room} height={height}>
        <text class="task-name" y={sub === '' ? 27 : 19}>
          {shortMiddle(id, Math.floor(room / CHARACTER.name))}
        </text>
        {sub !== '' && (
          <text class="task-sub" y="34">
            {short(sub, Math.floor(room / CHARACTER.sub))}
          </text>
        )}
      </svg>
    </a>
  )
}

function short(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}

/** Keeps both ends, because the ids of similar tasks differ at the end. */
function shortMiddle(id: string, most: number): string {
  const half = Math.floor((most - 1) / 2)
  return id.length > most ? `${id.slice(0, half)}…${id.slice(-half)}` : id
}

/** The state and the duration. Of a skipped task only the reason, because the icon says that it is skipped. */
function subOf(instance: Shown | undefined, group: Folded | undefined, rule = '', reason = ''): string {
  const tasks = group ? tasksOf(group.count) : instance?.elements
  if (instance === undefined) return tasks ?? rule
  const { state } = instance
  if (state === 'skipped' && reason !== '') return reason
  const ms = tasks ? null : tookOf(instance)
  return [tasks, stateWords(state), ms === null ? '' : preciseDuration(ms)].filter(Boolean).join(' · ')
}
