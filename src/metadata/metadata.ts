import format from 'pg-format'
import { NO_LIMITS } from '../db/client.ts'
import type { Database, Queryable } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'

/**
 * The runner's tables, in whatever schema `METADATA_SCHEMA` names. Statements are written against the schema
 * `metadata`; another name is put in its place here and nowhere else. (A search path would be forgotten by a
 * transaction pooler.)
 */
export interface Metadata extends Queryable {
  readonly pool: Database
  readonly schema: string
  /** Where processes on this schema call each other by NOTIFY. */
  readonly channel: string
  transaction<T>(work: (db: Metadata) => Promise<T>): Promise<T>
}

/**
 * Settings of the connections for the runner's hottest statements. Their plans are kept for as long as a connection
 * lives, and one made while a table was new would read (or sort) all of it ever after; with these only the right index
 * is left. Compiling them costs more than it saves.
 */
export const BY_INDEX = {
  ...Object.fromEntries(
    ['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'sort'].map((way) => [`enable_${way}`, 'off']),
  ),
  jit: 'off',
  plan_cache_mode: 'force_generic_plan',
  ...NO_LIMITS,
}

export function openMetadata(pool: Database, schema: string): Metadata {
  return place(pool, pool, schema, new Map())
}

function place(pool: Database, connection: Queryable, schema: string, placed: Map<string, string>): Metadata {
  const textOf = (text: string): string => {
    if (schema === 'metadata') return text
    const known = placed.get(text) ?? text.replaceAll(/\bmetadata\./g, `${format.ident(schema)}.`)
    placed.set(text, known)
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
    transaction: (work) => inTransaction(pool, (own) => work(place(pool, own, schema, placed))),
  }
}
