import { openDatabases, setUp } from '../app.ts'
import { openEmbedded } from '../db/embedded.ts'
import { ensureAdmin } from '../web/auth/users.ts'
import { settingsWarnings } from './settings-warnings.ts'
import { print, say } from './table.ts'

/** `db url`: the address of the launches' database. An embedded server is started, and left running. */
export async function dbUrl(): Promise<number> {
  const { config } = await setUp({ wanted: () => false, logTo: process.stderr })
  if (config.databaseUrl !== undefined) {
    print(config.databaseUrl)
    return 0
  }
  const embedded = await openEmbedded({ dataDir: config.dataDir, create: true })
  print(embedded.connectionString)
  await embedded.release({ leaveRunning: true })
  return 0
}

/** `db migrate`: the runner's own tables; a pipeline's are its own business. */
export async function dbMigrate(): Promise<number> {
  const setup = await setUp({ wanted: () => false, logTo: process.stderr })
  for (const message of settingsWarnings(setup)) setup.log.warn(message)
  const databases = await openDatabases(setup, { create: true })
  const { admin } = setup.config
  const ensured = admin && ensureAdmin(databases.metadata, admin.user, admin.password)
  const made = await Promise.resolve(ensured).finally(databases.close)
  if (made) say(`Made ${admin?.user}, the first admin of the web page`)
  say(`The runner's tables in schema "${setup.config.metadataSchema}" are up to date`)
  return 0
}
