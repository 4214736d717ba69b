/** The database API for pipelines: types, transactions and their own numbered migrations. */
export { type Migrated, type MigrationSet, migrate } from './migrate.ts'
export type { Connection, Database, Queryable } from './pool.ts'
export { missingRights } from './rights.ts'
export { inTransaction } from './transaction.ts'
