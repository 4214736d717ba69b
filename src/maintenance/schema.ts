import format from 'pg-format'
import { type Migrated, type MigrationSet, migrate, pendingMigrations } from '../db/migrate.ts'
import type { Database } from '../db/pool.ts'
import { type Metadata, openMetadata } from '../metadata/metadata.ts'
import { VERSION } from '../version.ts'
import { refuseVersionGap } from './versions.ts'

/** Creates or updates the runner's tables. Throws as `migrate` and `refuseVersionGap` do. */
export async function migrateMetadata(pool: Database, schema: string): Promise<Migrated> {
  // Throws if the tables are of a version that is too new to read them.
  await pendingMetadata(pool, schema)
  await refuseVersionGap(openMetadata(pool, schema))
  return await migrate(pool, metadataMigrations(schema))
}

/** Names of the migrations still to be applied. */
export async function pendingMetadata(pool: Database, schema: string): Promise<string[]> {
  return await pendingMigrations(pool, metadataMigrations(schema))
}

/** Drops the runner's tables with their data. */
export async function dropMetadata(db: Metadata): Promise<void> {
  await db.query(format('drop schema if exists %I cascade', db.schema))
}

function metadataMigrations(schema: string): MigrationSet {
  const directory = new URL('../../sql/metadata/', import.meta.url)
  return { directory, schema, historyTable: 'schema_migration', exclusive: true, version: VERSION }
}
