import { type TaskContext, VERSION } from 'tminus'
import { migrate } from 'tminus/db'

const DIRECTORY = new URL('../../sql/launches', import.meta.url)

/** Creates or updates the pipeline's tables in the connection's default schema. */
export async function initializeSchema(_inputs: unknown, { db, log }: Pick<TaskContext, 'db' | 'log'>): Promise<void> {
  const { applied, version } = await migrate(db, {
    directory: DIRECTORY,
    historyTable: 'rocket_launches_migration',
    version: VERSION,
  })
  if (applied.length === 0) log.info(`tables are up to date (version ${version})`)
  else log.info(`applied ${applied.join(', ')}`)
}
