import { randomBytes } from 'node:crypto'
import pg from 'pg'
import format from 'pg-format'
import { describe, expect, inject, test } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { address } from '../support/address.ts'
import { runCli } from '../support/cli.ts'
import { withDatabase } from '../support/database.ts'
import { withStandIns } from './support.ts'

/** A database whose encoding is not Postgres's default. */
async function withEncoding(encoding: string, work: (connectionString: string) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: address(inject('postgres'), { database: 'postgres' }) })
  await client.connect()
  const name = `test_${randomBytes(6).toString('hex')}`
  const sql = 'create database %I encoding %L template template0 locale_provider libc locale %L'
  await client.query(format(sql, name, encoding, 'C'))
  try {
    await work(address(inject('postgres'), { database: name }))
  } finally {
    await client.query(format('drop database %I with (force)', name))
    await client.end()
  }
}

describe.concurrent.each(['LATIN1', 'SQL_ASCII', 'EUC_KR'])('a database in %s', (encoding) => {
  const refusal = new RegExp(`has the encoding ${encoding}.*UTF8`)

  test('is refused by db migrate and by start, and stays empty', () =>
    withEncoding(encoding, async (url) => {
      const env = { DATABASE_URL: url }
      for (const args of [['db', 'migrate'], ['pipeline', 'chain'], ['start']]) {
        const { code, stderr } = await runCli(args, { env })
        expect([code, stderr]).toEqual([1, expect.stringMatching(refusal)])
      }
      const pool = openPool(url)
      const { rows } = await pool.query(`select nspname from pg_namespace where nspname = 'metadata'`)
      await pool.end()
      expect(rows).toEqual([])
      const check = await runCli(['db', 'check', '-o', 'json'], { env })
      expect(check.code).toBe(1)
      const encodings = JSON.parse(check.stdout).filter(({ name }: { name: string }) => name === 'encoding')
      expect(encodings).toEqual([{ name: 'encoding', level: 'fail', message: expect.stringMatching(refusal) }])
    }))

  test('is refused for launches too, if the metadata is in another database', () =>
    withDatabase((metadata) =>
      withEncoding(encoding, (url) =>
        withStandIns(async ({ discord, env: standIns }) => {
          const env = { ...standIns, DATABASE_URL: url, METADATA_DATABASE_URL: metadata.connectionString }
          const { code, stdout } = await runCli(['pipeline', 'rocket-launches'], { env })
          expect([code, stdout]).toEqual([1, expect.stringMatching(refusal)])
          expect(stdout).not.toContain('retrying')
          expect(discord.requests).toEqual([])
          const check = await runCli(['db', 'check'], { env })
          expect([check.code, check.stdout]).toEqual([1, expect.stringMatching(/^fail +encoding/m)])
        }),
      ),
    ))
})
