import type { Check } from '../commands.ts'
import { missingRights } from '../db/rights.ts'
import type { Metadata } from '../metadata/metadata.ts'

/** Whether this role may do with the runner's tables what every process does. */
export async function checkRights(db: Metadata): Promise<Check> {
  const missing = await missingRights(db.pool, { schema: db.schema })
  const name = 'rights'
  if (missing !== undefined) return { name, level: 'fail', message: missing }
  return { name, level: 'ok', message: `schema "${db.schema}" may be read and written` }
}
