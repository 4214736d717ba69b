import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { openEmbedded } from '../../src/db/embedded.ts'
import { openPool } from '../../src/db/pool.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { removeFolder, SCRATCH, scratchFolder } from './embedded.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the template database every test database is cloned from: nobody may stay connected to it. */
    postgres: string
  }
}

/** One server for the whole test run, with a template database migrated once. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep()
  const dataDir = await scratchFolder(`tminus-test-${process.pid}-`)
  const server = await openEmbedded({
    dataDir,
    create: true,
    database: 'template',
    settings: { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: '200' },
  })
  await migrateTemplate(server.connectionString)
  project.provide('postgres', server.connectionString)
  return async () => {
    await endSessions(server.connectionString)
    await server.release()
    await removeFolder(dataDir)
  }
}

/** Servers of test runs that were killed. */
async function sweep(): Promise<void> {
  for (const parent of SCRATCH) {
    for (const name of existsSync(parent) ? await readdir(parent) : []) {
      const pid = Number(/^tminus-test-(\d+)-/.exec(name)?.[1])
      if (pid && !isAlive(pid)) await removeFolder(join(parent, name))
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function migrateTemplate(connectionString: string): Promise<void> {
  const pool = openPool(connectionString)
  try {
    await migrateMetadata(pool, 'metadata')
  } finally {
    await pool.end()
  }
}

/** A test that left a pool open would keep the server alive. */
async function endSessions(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString, application_name: 'teardown' })
  await client.connect()
  await client.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
     where backend_type = 'client backend' and application_name not in ('teardown', 'tminus embedded')`,
  )
  await client.end()
}
