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
  const host = {
    settings: () => site.settingsOf(dag.id),
    now: site.now,
    signal: AbortSignal.timeout(DAG_CHECK_MS),
    withDatabase: <T>(work: (db: Site['db']) => Promise<T>) => work(site.db),
  }
  try {
    return (await (await dag.commands?.())?.check?.(host)) ?? []
  } catch (error) {
    return [{ name: dag.id, level: 'fail', message: messageOf(error) }]
  }
}
