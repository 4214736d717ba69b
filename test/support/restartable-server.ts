import { afterAll, beforeAll } from 'vitest'
import { type EmbeddedServer, openEmbedded } from '../../src/db/embedded/embedded.ts'
import { type Database, openPool } from '../../src/db/pool.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { EFFECT_TABLE } from './crash.ts'
import { removeFolder, scratchFolder, serverPid } from './scratch.ts'

/** A Postgres server of its own, with the runner's tables and the table of effects. */
export interface RestartableServer {
  readonly connectionString: string
  readonly pool: Database
  /** Like `pg_ctl restart -m immediate`: ends every session; the server recovers from its log at the next start. */
  restart(): Promise<void>
}

/** A server for all tests of a file, which may restart it. */
export function useRestartableServer(): RestartableServer {
  let dataDir: string
  let server: EmbeddedServer
  let pool: Database
  beforeAll(async () => {
    dataDir = await scratchFolder()
    server = await openEmbedded({ dataDir, create: true })
    pool = openPool(server.connectionString)
    await migrateMetadata(pool, 'metadata')
    await pool.query(EFFECT_TABLE)
  })
  afterAll(async () => {
    await pool.end()
    await server.release()
    await removeFolder(dataDir)
  })
  return {
    get connectionString() {
      return server.connectionString
    },
    get pool() {
      return pool
    },
    restart: async () => {
      process.kill(serverPid(server.folder), 'SIGQUIT')
      const again = await openEmbedded({ dataDir, create: false })
      await again.release({ leaveRunning: true })
    },
  }
}
