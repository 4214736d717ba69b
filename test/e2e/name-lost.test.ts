import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { withDatabase } from '../support/database.ts'
import { openProxy } from '../support/proxy.ts'
import { withFolder } from '../support/scratch.ts'
import { WITHIN } from '../support/within.ts'

const FIXTURES = fileURLToPath(new URL('../fixtures', import.meta.url))
const AWAY_MS = Number(process.env.AWAY_MS ?? 8_000)

interface Network {
  env: Record<string, string>
  /** Breaks the connections and makes the name's lookup fail with this code; '' repairs both. */
  lose(code: string): Promise<void>
}

/** A database with a host name in its address. */
async function withName(connectionString: string, work: (network: Network) => Promise<void>): Promise<void> {
  const proxy = await openProxy(connectionString)
  await withFolder(async (folder) => {
    const file = join(folder, 'resolver')
    await writeFile(file, '')
    const url = new URL(proxy.connectionString)
    url.hostname = 'database.test'
    const preload = pathToFileURL(join(FIXTURES, 'resolver.mjs')).href
    const env = { DATABASE_URL: url.href, TEST_RESOLVER: file, NODE_OPTIONS: `--import ${preload}` }
    const lose = async (code: string) => {
      await writeFile(file, code)
      if (code === '') proxy.mend()
      else proxy.cut()
    }
    await work({ env, lose }).finally(() => proxy.close())
  })
}

const messages = (running: Running, least: number) =>
  running
    .stdout()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { level: number; msg: string })
    .flatMap(({ level, msg }) => (level >= least ? [msg] : []))

describe.concurrent.each(['ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTDOWN'])('%s', (code) => {
  test('in a connected process it is an outage: a warning, a wait, and every run continues', () =>
    withDatabase(({ connectionString, pool }) =>
      withName(connectionString, async ({ env, lose }) => {
        const running = startCli(['start'], {
          env: { ...env, PIPELINES_DIR: join(FIXTURES, 'every-second-pipelines') },
        })
        const successes = () => messages(running, 0).filter((msg) => msg === 'run success').length
        await vi.waitFor(() => expect(successes()).toBeGreaterThan(3), WITHIN)
        await lose(code)
        await delay(AWAY_MS)
        const before = successes()
        await lose('')
        await vi.waitFor(() => expect(successes()).toBeGreaterThan(before + 5), WITHIN)
        running.process.kill('SIGTERM')
        // A run begins every second, so one may be released at the end: exit code 143, and nothing on stderr.
        expect((await running.ended).stderr).toBe('')
        expect(messages(running, 50)).toEqual([])
        const warned = messages(running, 40)
        expect(warned.join('\n')).toMatch(/away|lost/)
        // One warning each from the session, the writer and the scheduler, which all need the database.
        expect(new Set(warned.map((msg) => msg.replace(/\(.*\)/, ''))).size).toBe(warned.length)
        const { rows } = await pool.query(
          `select state, count(*)::int from metadata.dag_run where state = 'failed' group by 1`,
        )
        expect(rows).toEqual([])
      }),
    ))

  test('at the start it is an immediate, clear error', () =>
    withDatabase(({ connectionString }) =>
      withName(connectionString, async ({ env, lose }) => {
        await lose(code)
        const { code: exit, stderr, stdout } = await runCli(['start'], { env })
        expect([exit === 0, stdout, stderr]).toEqual([
          false,
          '',
          expect.stringMatching(/^✖ DATABASE_URL: .*database\.test.*\n$/),
        ])
      }),
    ))
})
