import { commandFor } from '../command-for.ts'
import type { Dag } from '../dag/dag.ts'
import { UsageError } from '../errors.ts'
import type { LoadedDags } from '../load-dags.ts'
import { checkConf } from '../operations/trigger.ts'
import { didYouMean } from './closest.ts'

/** Returns a loaded dag. Throws a UsageError that lists the dags, or that says why this dag could not be loaded. */
export function findDag({ dags, importErrors }: LoadedDags, dagId: string): Dag {
  const dag = dags.get(dagId)
  if (dag !== undefined) return dag
  const broken = importErrors.find((one) => isOf(one, dagId))
  if (broken !== undefined)
    throw new UsageError(`The dag in folder '${broken.folder}' could not be loaded: ${broken.message}`)
  const known = [...dags.keys()].sort()
  const near = didYouMean(dagId, known) || '.'
  const unread = importErrors.map(({ folder }) => folder).join(', ')
  const more = unread && `. Could not be loaded: ${unread} (${commandFor('dags list')} says why)`
  throw new UsageError(`There is no dag '${dagId}'${near} Known: ${known.join(', ') || 'none'}${more}`)
}

function isOf({ folder, dag }: LoadedDags['importErrors'][number], dagId: string): boolean {
  return dag === undefined ? folder === dagId : dag.id === dagId
}

/** Returns the dag for a verb that queues a stored run again. Throws a UsageError if the dag's folder is gone. */
export function findExecutable(loaded: LoadedDags, dagId: string): Dag {
  if (loaded.dags.has(dagId) || loaded.importErrors.some((one) => isOf(one, dagId))) return findDag(loaded, dagId)
  throw new UsageError(
    `Dag '${dagId}' is not in PIPELINES_DIR any more, so no process could execute the run; put its folder back first`,
  )
}

/** Parses and validates `--conf`. Throws UsageError that names each wrong param. */
export function parseConf(dag: Dag, text: string | undefined): Record<string, unknown> {
  const conf = readObject(text ?? '{}')
  checkConf(dag, conf, '--conf')
  return conf
}

function readObject(text: string): Record<string, unknown> {
  const wrong = (cause?: unknown) => new UsageError(`--conf must be a JSON object, like '{"name":"value"}'`, { cause })
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (cause) {
    throw wrong(cause)
  }
  throw wrong()
}
