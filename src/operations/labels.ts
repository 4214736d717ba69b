import { z } from 'zod'
import type { Dag } from '../dag/dag.ts'
import { EACH, partsOf } from '../dag/map.ts'
import { isGroup } from '../dag/task.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { readOutput } from '../metadata/task-instances.ts'

const MOST_CHARACTERS = 100

/**
 * The labels of elements of mapped tasks, by task id, as the code of the dag names them now. An element has none if its
 * task declares none, if its array is no longer stored, or if the code throws.
 */
export async function readLabels(
  db: Metadata,
  dag: Dag | undefined,
  dagRunId: number,
  taskIds: readonly string[],
): Promise<Map<string, string>> {
  const labels = new Map<string, string>()
  const mapped = new Set(taskIds.filter((id) => partsOf(id).mapIndex !== undefined).map((id) => partsOf(id).id))
  for (const id of mapped) {
    const { label, upstream } = dag?.tasks.get(id) ?? {}
    const over = upstream?.[EACH]
    if (label === undefined || over === undefined || isGroup(over)) continue
    const schema = over.output as z.ZodArray<z.ZodType> | undefined
    const array = await readOutput(db, dagRunId, over.id)
    if (schema === undefined || !Array.isArray(array)) continue
    for (const taskId of taskIds.filter((one) => partsOf(one).id === id)) {
      const stored: unknown = array[partsOf(taskId).mapIndex ?? -1]
      const text = await labelOf(schema.element, stored, label)
      if (text !== undefined) labels.set(taskId, text)
    }
  }
  return labels
}

/** The label is for readers only, so an error in the author's function hides it and nothing else. */
async function labelOf(schema: z.ZodType, stored: unknown, label: (element: unknown) => string) {
  try {
    const text = String(label(await z.decodeAsync(schema, stored as never)))
    return text.slice(0, MOST_CHARACTERS)
  } catch {
    return undefined
  }
}
