import type { DatabaseError } from 'pg'
import format from 'pg-format'
import type { Queryable } from './pool.ts'

/** A statement that Postgres refused, and the role that sent it. */
export interface Refused {
  role: string | undefined
  database: string | undefined
  /** Undefined while connecting. */
  statement: string | undefined
}

const INSUFFICIENT_PRIVILEGE = '42501'
const READ_ONLY_TRANSACTION = '25006'

/**
 * Adds the statement that grants the missing right to the error's message. A retry cannot help, so the error becomes
 * not retryable.
 */
export function addAdvice(error: DatabaseError, refused: Refused): void {
  if (error.code === READ_ONLY_TRANSACTION) error.message = `${error.message}; ${ofReadOnly(refused)}`
  if (error.code !== INSUFFICIENT_PRIVILEGE) return
  error.message = `${error.message}; ${advice(error.message, refused)}`
  Object.assign(error, { retryable: false })
}

function ofReadOnly({ role = '' }: Refused): string {
  return `connect to the primary server; if this is it, ALTER ROLE ${format.ident(role)} SET default_transaction_read_only = off`
}

/**
 * PostgreSQL names the object only in the message, without its schema. The message of Postgres may be in another
 * language.
 */
function advice(message: string, { role = 'this role', database = '', statement }: Refused): string {
  const grant = (what: string) => `its owner or a superuser can run: GRANT ${what} TO ${format.ident(role)}`
  const [, kind = '', name = ''] = /permission denied for ([a-z ]+?) ("?[^"]+"?)$/.exec(message) ?? []
  const object = name.replaceAll('"', '')
  const placed = `${schemaIn(statement, object)}${format.ident(object)}`
  if (kind === 'schema') return grant(`USAGE, CREATE ON SCHEMA ${format.ident(object)}`)
  if (kind === 'database')
    return grant(`${statement === undefined ? 'CONNECT' : 'CREATE'} ON DATABASE ${format.ident(object)}`)
  if (kind === 'sequence') return grant(`USAGE, SELECT ON SEQUENCE ${placed}`)
  if (/^(table|view|materialized view|foreign table|relation)$/.test(kind))
    return grant(`SELECT, INSERT, UPDATE, DELETE ON ${placed}`)
  if (/^(function|procedure)$/.test(kind)) return grant(`EXECUTE ON ${kind.toUpperCase()} ${placed}`)
  if (/temporary tables/.test(message)) return grant(`TEMPORARY ON DATABASE ${format.ident(database)}`)
  if (/terminate process|cancel query/.test(message)) return grant('pg_signal_backend')
  const [, ownKind, owned] = /must be owner of (table|view|sequence|schema|function) (.+)$/.exec(message) ?? []
  if (ownKind !== undefined && owned !== undefined) {
    const what = `${ownKind.toUpperCase()} ${schemaIn(statement, owned)}${format.ident(owned)}`
    return `its owner or a superuser can run: ALTER ${what} OWNER TO ${format.ident(role)}`
  }
  return `a superuser can GRANT the missing right to ${format.ident(role)}`
}

/** `metadata.` if the statement qualifies the table with that schema. */
function schemaIn(statement: string | undefined, object: string): string {
  const escaped = object.replaceAll(/[^\w]/g, '\\$&')
  const [, schema] = new RegExp(`("[^"]+"|\\w+)\\."?${escaped}(?!\\w)`).exec(statement ?? '') ?? []
  return schema === undefined ? '' : `${schema}.`
}

export interface Tables {
  /** Default: the connection's own. */
  schema?: string
  /** A PostgreSQL regular expression for the table names. Default: all tables. */
  named?: string
}

/** Names the tables that the connection's role may not read and write; undefined if there are none. */
export async function missingRights(db: Queryable, { schema, named = '' }: Tables = {}): Promise<string | undefined> {
  const { rows } = await db.query<{ table: string; schema: string; role: string }>(MISSING, [schema ?? null, named])
  const [first] = rows
  if (first === undefined) return undefined
  const tables = rows.map(({ table }) => table)
  const shown = tables.length > 3 ? `${tables.slice(0, 3).join(', ')} and ${tables.length - 3} more` : tables.join(', ')
  const on = named === '' ? `ALL TABLES IN SCHEMA ${first.schema}` : tables.join(', ')
  return `role ${first.role} may not read and write ${shown}; their owner or a superuser can run: GRANT SELECT, INSERT, UPDATE, DELETE ON ${on} TO ${first.role}`
}

/** Ignores tables that only a migration writes. */
const MISSING = `
select format('%I.%I', n.nspname, c.relname) as table, quote_ident(n.nspname) as schema, quote_ident(current_user) as role
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = coalesce($1, current_schema()) and c.relkind in ('r', 'p') and c.relname ~ $2 and c.relname !~ 'migration$'
  and not (has_table_privilege(c.oid, 'SELECT') and has_table_privilege(c.oid, 'INSERT')
    and has_table_privilege(c.oid, 'UPDATE') and has_table_privilege(c.oid, 'DELETE'))
order by 1`
