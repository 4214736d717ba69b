import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { minorsAhead, VERSION } from '../../src/version.ts'

/**
 * Statements that take away what a process of the previous minor version reads or writes, or that refuse its rows. Such
 * a process runs on the new tables during an upgrade.
 */
const CONTRACTS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['drop', /\bdrop\s+(table|column|type|view|function|schema|domain|attribute|sequence|default)\b/],
  ['drop without a word', /\balter\s+table\b[^;]*\bdrop\s+(?!column|constraint|not\s|expression|identity|default)\w/],
  ['rename', /\brename\b/],
  ['truncate', /\btruncate\b/],
  ['change of a type', /\balter\s+(column\s+)?\w+\s+(set\s+data\s+)?type\b/],
  ['set not null', /\bset\s+not\s+null\b/],
  ['new constraint', /\badd\s+(constraint|check|unique|primary|foreign|exclude)\b/],
  ['unique index', /\bcreate\s+unique\s+index\b/],
  ['change of a composite type or domain', /\balter\s+(type|domain)\b/],
  ['other view or function', /\bcreate\s+or\s+replace\b/],
]

/** The newest files from before this rule. */
const BEFORE: Readonly<Record<string, number>> = { metadata: 11, launches: 9 }

/** A file with this line takes away what no version since the named one uses. */
const UNUSED_SINCE = /^-- Unused since (\d+\.\d+\.\d+)\.$/m

function contractsOf(sql: string): string[] {
  const code = sql
    .replaceAll(/--[^\n]*/g, '')
    .replaceAll(/'(?:[^']|'')*'/g, "''")
    .toLowerCase()
  const found = CONTRACTS.filter(([, pattern]) => pattern.test(code)).map(([name]) => name)
  return requiresColumn(code) ? [...found, 'required column'] : found
}

const WIDENS =
  /alter domain (\w+)\s+(?:drop constraint \w+|add constraint \w+\s+check \(value in \(([^)]*)\)\) not valid);/g

/**
 * Removes the statements that only add values to a domain. The previous version reads such a value as a text that it does
 * not know, and never writes it. `earlier`: all files before this one.
 */
function withoutWidening(sql: string, earlier: string): string {
  return sql.replaceAll(WIDENS, (statement, domain: string, list?: string) => {
    const before = [...earlier.matchAll(RegExp(`domain ${domain} [^;]*check \\(value in \\(([^)]*)\\)`, 'g'))].at(
      -1,
    )?.[1]
    const values = valuesOf(list)
    return list === undefined || valuesOf(before).every((one) => values.includes(one)) ? '' : statement
  })
}

function valuesOf(list = ''): string[] {
  return list.match(/'[^']*'/g) ?? []
}

/** The previous version does not set a new column. */
function requiresColumn(code: string): boolean {
  const clauses = code
    .split(';')
    .filter((statement) => /\balter\s+table\b/.test(statement))
    .flatMap((statement) => statement.split(/,\s*(?=(?:add|alter|drop)\b)/))
  return clauses.some(
    (one) => /\badd\b/.test(one) && /\bnot\s+null\b/.test(one) && !/\b(default|generated)\b/.test(one),
  )
}

/** Returns what is wrong with a migration of this version. */
function problems(sql: string, version: string, earlier = ''): string[] {
  const since = UNUSED_SINCE.exec(sql)?.[1]
  return since !== undefined && minorsAhead(version, since) >= 1 ? [] : contractsOf(withoutWidening(sql, earlier))
}

describe.each(Object.entries(BEFORE))('the migrations of %s', (name, before) => {
  const folder = new URL(`../../sql/${name}/`, import.meta.url)
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'))
  const read = (file: string) => readFileSync(new URL(file, folder), 'utf8')

  test('keep what the previous minor version needs', () => {
    const found = files.flatMap((file, index) => {
      const earlier = files.slice(0, index).map(read).join('\n')
      return Number(file.slice(0, 4)) > before ? [[file, problems(read(file), VERSION, earlier)] as const] : []
    })
    expect(found.filter(([, wrong]) => wrong?.length)).toEqual([])
  })
})

test.each([
  'alter table job drop column reason;',
  'alter table job drop reason;',
  'DROP  TABLE xcom;',
  'drop view if exists task_try; create view task_try as select 1;',
  'alter table job rename column reason to why;',
  'alter table job rename to process;',
  'alter table job alter column pid type bigint;',
  'alter table job alter pid set data type bigint;',
  'alter table job alter column reason set not null;',
  'alter table job add column a int, add column b int not null;',
  'alter table job add b int not null, add column c text;',
  'alter table job add constraint one check (pid > 0);',
  'alter table job add unique (pid);',
  'create unique index on job (pid);',
  'alter type dag_run_change add attribute more text;',
  "alter domain run_state add constraint more check (value <> 'x');",
  'truncate job;',
])('refused: %s', (sql) => {
  expect(contractsOf(sql)).not.toEqual([])
})

test.each([
  'alter table job add column a int, add column b text not null default 1, add c bigint generated always as identity;',
  "alter table job add column a int; comment on column job.a is 'Not null: drop table, rename to.';",
  'create table more (a int primary key, b text not null unique, check (a > 0));',
  'create index on job (pid); drop index job_pid_idx;',
  'alter table job drop constraint job_kind_check; alter table job alter column reason drop not null;',
  'alter table job alter column pid set default 1;',
  '-- drop table job; rename\ninsert into pool values (1);',
])('accepted: %s', (sql) => {
  expect(contractsOf(sql)).toEqual([])
})

test.each([
  ["('a', 'b', 'c')", []],
  ["('b', 'c')", ['new constraint', 'change of a composite type or domain']],
])('a domain with the values a and b may get the values %s: %j', (list, wrong) => {
  const sql = `alter domain kind drop constraint one;\nalter domain kind add constraint one check (value in ${list}) not valid;`
  expect(problems(sql, VERSION, "create domain kind as text check (value in ('a', 'b'));")).toEqual(wrong)
})

test.each([
  ['0.3.0', ['drop']],
  ['0.3.4', ['drop']],
  ['0.4.0', []],
  ['1.0.0', []],
])('version %s may drop what is unused since 0.3.0: %j', (version, wrong) => {
  expect(problems('-- Unused since 0.3.0.\ndrop table old;', version)).toEqual(wrong)
})
