import { groupBy } from './group-by.ts'

/** More tasks would be unreadable, and slow to place. */
export const MOST_DRAWN = 100

/** Bytes of all lists in a drawing. */
const MOST_BYTES = 5_000

/** By its number in the drawing. */
interface Edge {
  from: number
  to: number
}

/** For each task and edge, the tasks whose paths it is on: `0 3 7`. */
export interface Paths {
  nodes: readonly string[]
  edges: readonly string[]
}

/** Undefined if the lists of a large graph are too long. */
export function pathsOf(nodes: number, edges: readonly Edge[]): Paths | undefined {
  const out = groupBy(edges, ({ from }) => String(from))
  const into = groupBy(edges, ({ to }) => String(to))
  const next = (at: number) => (out.get(String(at)) ?? []).map(({ to }) => to)
  const previous = (at: number) => (into.get(String(at)) ?? []).map(({ from }) => from)
  const all = Array.from({ length: nodes }, (_, at) => ({ up: reached(at, previous), down: reached(at, next) }))
  const listOf = (before: number, after: number) =>
    [...new Set([...(all[before]?.up ?? []), ...(all[after]?.down ?? [])])].join(' ')
  const paths = { nodes: all.map((_, at) => listOf(at, at)), edges: edges.map(({ from, to }) => listOf(from, to)) }
  const bytes = [...paths.nodes, ...paths.edges].reduce((sum, list) => sum + list.length, 0)
  return bytes > MOST_BYTES ? undefined : paths
}

function reached(start: number, next: (at: number) => readonly number[]): Set<number> {
  const seen = new Set([start])
  for (const at of seen) for (const one of next(at)) seen.add(one)
  return seen
}

/** Without scripts: fades all that is on no path through the task under the pointer or with the focus. */
export function pathStyles(): string {
  const selectors = Array.from({ length: MOST_DRAWN }, (_, at) => {
    return `.paths:has(#node-${at}:is(:hover,:focus))>:not([data-on~="${at}"])`
  })
  return `${selectors.join(',')}{opacity:.35}\n`
}
