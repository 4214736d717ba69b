import type { Check } from '../../commands.ts'
import type { Dag } from '../../dag/dag.ts'
import { messageOf } from '../../errors.ts'
import type { Site } from '../site.ts'

const DAG_CHECK_MS = 2_000

/** What each dag tells of itself, as in `db check`; one that cannot tell is a failure of its own. */
export async function checkDags(site: Site): Promise<Check[]> {
  const checks = await Promise.all([...site.dags.values()].map((dag) => checkDag(site, dag)))
  return checks.flat().map((check) => ({ ...check, message: site.scrub(check.message) }))
}

async function checkDag(site: Site, dag: Dag): Promise<readonly Check[]> {
  try {
    const commands = await dag.commands?.()
    // Most dags tell nothing: a time limit for each of a thousand would outlast the page by two seconds.
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
