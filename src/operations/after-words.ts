import type { Dag } from '../dag/dag.ts'

export type Sources = NonNullable<Dag['after']>

export function sourcesOf(after: Sources) {
  return 'any' in after ? after.any : after.all
}

/** True for a dag that gets runs without a user. */
export function isAutomatic({ schedule, after }: Pick<Dag, 'schedule' | 'after'>): boolean {
  return schedule !== null || after !== undefined
}

/** `after a, b (task load) and c`. Undefined for a dag without `after`. */
export function afterWords({ after }: Pick<Dag, 'after'>, most?: number): string | undefined {
  return after && `after ${sourceNames(after, most)}`
}

/** `a, b (task load) and c`. `most`: the number of names that are shown. */
export function sourceNames(after: Sources, most = Number.POSITIVE_INFINITY): string {
  const names = sourcesOf(after).map(({ dag, task }) => (task === '' ? dag : `${dag} (task ${task})`))
  const more = names.length - most
  const shown = more > 0 ? [...names.slice(0, most), `${more} more`] : names
  const type = 'any' in after ? 'disjunction' : 'conjunction'
  return new Intl.ListFormat('en-GB', { type }).format(shown)
}

/** What starts a dag, as the command line shows it: its schedule and the dags that it follows. */
export function startText(dag: Pick<Dag, 'schedule' | 'after'>): string {
  return isAutomatic(dag) ? [dag.schedule ?? [], afterWords(dag) ?? []].flat().join('; ') : 'manual runs only'
}

/** As JSON: `{ all: [...] }` or `{ any: [...] }`. */
export function afterJson({ after }: Pick<Dag, 'after'>) {
  if (after === undefined) return null
  const sources = sourcesOf(after).map(({ dag, task }) => ({ dag_id: dag, task_id: task === '' ? null : task }))
  return 'any' in after ? { any: sources } : { all: sources }
}

/** For each dag that names a dag which is not loaded: why it does not start. */
export function missingSources(dags: ReadonlyMap<string, Dag>): { dagId: string; message: string }[] {
  return [...dags.values()].flatMap(({ id, after = { all: [] } }) => {
    const missing = sourcesOf(after).filter(({ dag }) => !dags.has(dag))
    return missing.map(({ dag }) => ({ dagId: id, message: `it runs after dag '${dag}', which is not loaded` }))
  })
}
