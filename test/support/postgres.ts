import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { initializeSchema } from '../../pipelines/launches/initialize-schema.ts'
import { openEmbedded } from '../../src/db/embedded/embedded.ts'
import { type Database, openPool } from '../../src/db/pool.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { address } from './address.ts'
import { quietLog } from './quiet-log.ts'
import { removeFolder, scratchFolder, sweep } from './scratch.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The template database from which test databases are cloned. No connection to it may stay open. */
    postgres: string
  }
}

/** One server for the whole test run, with two template databases migrated once. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep()
  const dataDir = await scratchFolder()
  const server = await openEmbedded({
    dataDir,
    create: true,
    database: 'template',
    settings: { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: '200' },
  })
  await migrateTemplates(server.connectionString)
  project.provide('postgres', server.connectionString)
  return async () => {
    await endSessions(server.connectionString)
    await server.release()
    await removeFolder(dataDir)
  }
}

/** Creates the runner's tables in `template`, and those of runner and launches in `launches`. */
async function migrateTemplates(connectionString: string): Promise<void> {
  await onDatabase(connectionString, (pool) => migrateMetadata(pool, 'metadata'))
  await onDatabase(address(connectionString, { database: 'postgres' }), (pool) =>
    pool.query('create database launches template template strategy file_copy'),
  )
  await onDatabase(address(connectionString, { database: 'launches' }), (pool) =>
    initializeSchema({}, { db: pool, log: quietLog() }),
  )
}

async function onDatabase(connectionString: string, work: (pool: Database) => Promise<unknown>): Promise<void> {
  const pool = openPool(connectionString)
  await work(pool).finally(() => pool.end())
}

/** Ends open connections: a test that left a pool open would keep the server alive. */
async function endSessions(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString, application_name: 'teardown' })
  await client.connect()
  await client.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
     where backend_type = 'client backend' and application_name not in ('teardown', 'tminus embedded')`,
  )
  await client.end()
}
