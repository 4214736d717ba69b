import type { Check } from '../../commands.ts'
import { messageOf } from '../../errors.ts'
import { askDags } from '../ask-dags.ts'
import type { Site } from '../site.ts'

const DAG_CHECK_MS = 2_000

/** The results of the dags' own checks, as in `db check`. A check that throws becomes a failed result. */
export async function checkDags(site: Site): Promise<Check[]> {
  const checks = await askDags<Check>(site.dags.values(), site, {
    of: ({ check }) => check,
    timeoutMs: DAG_CHECK_MS,
    failed: (name, error) => [{ name, level: 'fail', message: messageOf(error) }],
  })
  return checks.map((check) => ({ ...check, message: site.scrub(check.message) }))
}
