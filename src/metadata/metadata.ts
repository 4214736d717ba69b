import format from 'pg-format'
import type { Database, Queryable } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'

/**
 * The runner's tables, in the schema that `METADATA_SCHEMA` names. Statements are written for the schema `metadata`;
 * this module inserts the name of the schema if it is another one. T-minus does not set a `search_path`, because a
 * pooler in transaction mode loses it.
 */
export interface Metadata extends Queryable {
  readonly pool: Database
  readonly schema: string
  /** The NOTIFY channel of the processes on this schema. */
  readonly channel: string
  transaction<T>(work: (db: Metadata) => Promise<T>): Promise<T>
}

export function openMetadata(pool: Database, schema: string): Metadata {
  return withSchema(pool, pool, schema, new Map())
}

function withSchema(pool: Database, connection: Queryable, schema: string, renamed: Map<string, string>): Metadata {
  const textOf = (text: string): string => {
    if (schema === 'metadata') return text
    const known = renamed.get(text) ?? text.replaceAll(/\bmetadata\./g, `${format.ident(schema)}.`)
    renamed.set(text, known)
    return known
  }
  const query = (statement: string | { text: string }, values?: unknown[]) =>
    typeof statement === 'string'
      ? connection.query(textOf(statement), values)
      : connection.query({ ...statement, text: textOf(statement.text) })
  return {
    pool,
    schema,
    channel: `tminus_${schema}`,
    query: query as Queryable['query'],
    transaction: (work) => inTransaction(pool, (own) => work(withSchema(pool, own, schema, renamed))),
  }
}
