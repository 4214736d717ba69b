import { storableText } from '../db/text.ts'
import { UsageError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { RunKey } from './operate.ts'

export const MOST_NOTE = 1_000

/** Stores a user's note on a run; an empty note removes it. Throws UsageError for a long note and an unknown run. */
export async function setNote(db: Metadata, { dagId, runId }: RunKey, text: string): Promise<void> {
  const note = storableText(text.trim())
  if (note.length > MOST_NOTE) throw new UsageError(`The note has more than ${MOST_NOTE} characters; shorten it`)
  const update = `update metadata.dag_run set note = nullif($3, '') where dag_id = $1 and run_id = $2`
  const { rowCount } = await db.query(update, [dagId, runId, note])
  if (rowCount === 0) throw new UsageError(`Dag '${dagId}' has no run '${runId}'`)
}
