import type { Check } from '../commands.ts'
import { missingRights } from '../db/rights.ts'
import type { Metadata } from '../metadata/metadata.ts'

/** Checks that this role may read and write the runner's tables. */
export async function checkRights(db: Metadata): Promise<Check> {
  const missing = await missingRights(db.pool, { schema: db.schema })
  const name = 'rights'
  if (missing !== undefined) return { name, level: 'fail', message: missing }
  return { name, level: 'ok', message: `schema "${db.schema}" may be read and written` }
}
