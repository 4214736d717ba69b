import type { Check } from '../../commands.ts'
import type { Dag } from '../../dag/dag.ts'
import { messageOf } from '../../errors.ts'
import type { Site } from '../site.ts'

const DAG_CHECK_MS = 2_000

/** The results of the dags' own checks, as in `db check`. A check that throws becomes a failed result. */
export async function checkDags(site: Site): Promise<Check[]> {
  const checks = await Promise.all([...site.dags.values()].map((dag) => checkDag(site, dag)))
  return checks.flat().map((check) => ({ ...check, message: site.scrub(check.message) }))
}

async function checkDag(site: Site, dag: Dag): Promise<readonly Check[]> {
  try {
    const commands = await dag.commands?.()
    // Most dags have no check. Do not start a timer for those.
    if (commands?.check === undefined) return []
    return await commands.check({
      settings: () => site.settingsOf(dag.id),
      now: site.now,
      signal: AbortSignal.timeout(DAG_CHECK_MS),
      withDatabase: (work) => work(site.db),
    })
  } catch (error) {
    return [{ name: dag.id, level: 'fail', message: messageOf(error) }]
  }
}
