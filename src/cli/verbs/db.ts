import type { Config } from '../../config.ts'
import { openDatabases } from '../../databases.ts'
import { openEmbedded } from '../../db/embedded/embedded.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { ensureAdmin } from '../../web/auth/users.ts'
import { openDoor } from '../../web/door.ts'
import { requireUser } from '../../web/strangers.ts'
import { settingsWarnings } from '../settings-warnings.ts'
import { print, say } from '../terminal/table.ts'
import { setUpCommand } from '../with-metadata.ts'

/** `db url`: the address of the launches' database. Starts an embedded server, and leaves it running. */
export async function dbUrl(): Promise<number> {
  const { config } = await setUpCommand()
  if (config.databaseUrl !== undefined) {
    print(config.databaseUrl)
    return 0
  }
  const embedded = await openEmbedded({ dataDir: config.dataDir, create: true })
  print(embedded.connectionString)
  await embedded.release({ leaveRunning: true })
  return 0
}

/** `db migrate`: migrates the runner's tables; each pipeline migrates its own. */
export async function dbMigrate({ beforeStart = false }: { beforeStart?: boolean } = {}): Promise<number> {
  const setup = await setUpCommand()
  for (const message of settingsWarnings(setup)) setup.log.warn(message)
  const databases = await openDatabases(setup, { create: true })
  const { admin, metadataSchema, web } = setup.config
  try {
    const made = admin && (await ensureAdmin(databases.metadata, admin.user, admin.password))
    if (made) say(`Created ${admin.user}, the first admin of the web page`)
    say(`The runner's tables in schema "${metadataSchema}" are up to date`)
    if (beforeStart) await refusePage(databases.metadata, web)
  } finally {
    await databases.close()
  }
  return 0
}

/** Throws the error that `start` would throw, so that a supervisor does not restart it for ever. Uses a free port. */
async function refusePage(metadata: Metadata, web: Config['web']): Promise<void> {
  await requireUser(metadata, web)
  const door = openDoor({ ...web, port: 0 })
  await door.url.finally(() => door.close())
}
