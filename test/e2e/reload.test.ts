import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import type { Database } from '../../src/db/pool.ts'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { type TestDatabase, withDatabase } from '../support/database.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'
import { WITHIN } from '../support/within.ts'
import { expectNothingRunning } from './support.ts'

vi.setConfig({ testTimeout: 120_000 })

/** A dag with one task, which runs every second. */
const saying = (text: string, dagId = 'hello') => `
import { dag } from 'tminus'
export default dag('${dagId}', { schedule: '* * * * * *' }, ({ task }) => {
  task('say', { run: (_inputs, { log }) => log.info('says ${text}') })
})`

/** A task that waits for a file, and says which process finished it. */
const WAITING = `
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { dag } from 'tminus'
export default dag('long', {}, ({ task }) => {
  task('wait', {
    run: async (_inputs, { log, signal }) => {
      log.info('begins to wait in ' + process.pid)
      while (!existsSync(new URL('../../go', import.meta.url))) await delay(20, undefined, { signal })
      log.info('waited in ' + process.pid)
    },
  })
})`

const hasRun = (running: Running, text: string, times = 1) =>
  vi.waitFor(
    () => expect(running.stdout().split(text).length - 1, running.stdout().slice(-1_500)).toBeGreaterThanOrEqual(times),
    WITHIN,
  )

/** Removes the folder after the work. The tests are concurrent, so they cannot use `onTestFinished`. */
async function withPipelines(
  files: Readonly<Record<string, string>>,
  work: (made: Pick<Watched, 'folder' | 'write'>) => Promise<void>,
): Promise<void> {
  const folder = await scratchFolder()
  const write = async (name: string, text: string) => {
    const file = join(folder, 'pipelines', name)
    await mkdir(join(file, '..'), { recursive: true })
    // As editors do.
    await writeFile(`${file}~`, text)
    await rename(`${file}~`, file)
  }
  await write('../package.json', '{"type":"module"}')
  await mkdir(join(folder, 'node_modules'))
  await symlink(fileURLToPath(new URL('../..', import.meta.url)), join(folder, 'node_modules/tminus'))
  for (const [name, text] of Object.entries(files)) await write(name, text)
  await work({ folder: join(folder, 'pipelines'), write }).finally(() => removeFolder(folder))
}

interface Watched {
  running: Running
  env: Record<string, string>
  pool: Database
  folder: string
  write: (name: string, text: string) => Promise<void>
}

/** The verb with WATCH=on. When it ends, no process of it may be left. */
async function watching(
  files: Readonly<Record<string, string>>,
  work: (watched: Watched) => Promise<void>,
  { verb = 'start', ...settings }: { verb?: string } & Record<string, string> = {},
): Promise<void> {
  const inFolder = async (
    { connectionString, pool }: Pick<TestDatabase, 'connectionString' | 'pool'>,
    { folder, write }: Pick<Watched, 'folder' | 'write'>,
  ) => {
    const env = { DATABASE_URL: connectionString, PIPELINES_DIR: folder, ...settings, WATCH: '' }
    const running = startCli([verb], { env: { ...env, WATCH: settings.WATCH ?? 'on' } })
    await work({ running, env, pool, folder, write }).finally(async () => {
      running.process.kill('SIGTERM')
      await running.ended
      const { rows } = await pool.query<{ pid: number }>('select pid from metadata.job')
      await vi.waitFor(() => expect(rows.filter(({ pid }) => isAlive(pid))).toEqual([]), WITHIN)
    })
  }
  await withDatabase((database) => withPipelines(files, (made) => inFolder(database, made)))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function livePids(pool: Database): Promise<number[]> {
  const { rows } = await pool.query<{ pid: number }>(`select pid from metadata.job where state = 'running' order by 1`)
  return rows.map(({ pid }) => pid)
}

function pageOf(running: Running): string {
  const urls = [...running.stdout().matchAll(/the page is at (http:[^"]+)"/g)].map(([, url]) => url)
  expect(new Set(urls).size).toBe(1)
  return urls[0] ?? ''
}

const page = async (running: Running) =>
  await (await fetch(`${pageOf(running)}/dags`, { headers: { accept: 'text/html' } })).text()

describe.concurrent('with WATCH=on', () => {
  test('the next run uses the changed code, also of a file outside of PIPELINES_DIR; the page keeps its port', () => {
    const imports = `import { text } from '../../lib/text.js'\n${saying('PLACE').replace("'says PLACE'", "'says ' + text")}`
    const files = { 'hello/dag.ts': imports, '../lib/text.ts': `export const text = 'one'` }
    return watching(files, async ({ running, write, pool }) => {
      await hasRun(running, 'says one')
      await write('../lib/text.ts', `export const text = 'two'`)
      await hasRun(running, 'says two')
      await write('hello/dag.ts', saying('three'))
      await write('new/dag.ts', saying('four', 'new'))
      await hasRun(running, 'says three')
      await hasRun(running, 'says four')
      expect((await fetch(`${pageOf(running)}/health`)).status).toBe(200)
      await vi.waitFor(async () => expect(await livePids(pool)).toHaveLength(1), WITHIN)
      const { rows } = await pool.query(`select from metadata.task_instance where state = 'failed'`)
      expect([rows, running.stderr()]).toEqual([[], ''])
    })
  })

  test('a dag that no longer loads leaves the old process; page and log say why; the mended dag is loaded', () =>
    watching({ 'hello/dag.ts': saying('one') }, async ({ running, write, pool }) => {
      await hasRun(running, 'says one')
      const before = await livePids(pool)
      await write('hello/dag.ts', `${saying('two')} ((`)
      await hasRun(running, 'the changed pipelines are not loaded')
      await hasRun(running, 'says one', running.stdout().split('says one').length + 1)
      expect(await livePids(pool)).toEqual(before)
      expect(await page(running)).toMatch(
        /The changed pipelines are not loaded, so the old ones stay: hello could not be/,
      )
      await write('hello/dag.ts', saying('three'))
      await hasRun(running, 'says three')
      expect(await page(running)).not.toContain('not loaded')
      expect(running.stdout().split('are not loaded').length - 1).toBe(1)
      expect(running.stdout()).not.toContain('says two')
    }))

  test('a folder that was removed is no error: its dag is no longer loaded', () =>
    watching(
      { 'hello/dag.ts': saying('one'), 'other/dag.ts': saying('other', 'other') },
      async ({ running, write, folder, pool }) => {
        await hasRun(running, 'says other')
        await write('other/dag.ts', 'export default []')
        await hasRun(running, 'the changed pipelines are not loaded')
        await rename(join(folder, 'other'), join(folder, '.other'))
        await vi.waitFor(async () => {
          const { rows } = await pool.query(`select dags ? 'other' as other from metadata.job where state = 'running'`)
          expect(rows).toEqual([{ other: false }])
        }, WITHIN)
      },
    ))

  test('the old process finishes its running task, while the new one executes the other runs', () =>
    watching({ 'long/dag.ts': WAITING, 'hello/dag.ts': saying('one') }, async ({ running, write, env, pool }) => {
      await hasRun(running, 'says one')
      expect((await runCli(['dags', 'trigger', 'long'], { env })).code).toBe(0)
      await hasRun(running, 'begins to wait')
      await write('hello/dag.ts', saying('two'))
      await hasRun(running, 'says two')
      expect(await livePids(pool)).toHaveLength(2)
      await write('../go', '')
      await hasRun(running, 'waited in')
      const [, begun, waited] = /begins to wait in (\d+)[\s\S]*waited in (\d+)/.exec(running.stdout()) ?? []
      expect(waited).toBe(begun)
      await vi.waitFor(async () => expect(await livePids(pool)).toHaveLength(1), WITHIN)
      const { rows } = await pool.query(
        `select t.state, try_number, failures from metadata.task_instance t join metadata.dag_run using (dag_run_id)
         where dag_id = 'long'`,
      )
      expect(rows).toEqual([{ state: 'success', try_number: 1, failures: 0 }])
    }))

  test('a task that outlasts the grace time of the old process goes to the new one, without a charge', () =>
    watching({ 'long/dag.ts': WAITING, 'hello/dag.ts': saying('one') }, async ({ running, write, env, pool }) => {
      await hasRun(running, 'says one')
      expect((await runCli(['dags', 'trigger', 'long'], { env })).code).toBe(0)
      await hasRun(running, 'begins to wait')
      await write('hello/dag.ts', saying('two'))
      await hasRun(running, 'begins to wait', 2)
      await write('../go', '')
      await vi.waitFor(async () => {
        const { rows } = await pool.query(
          `select t.state, try_number, failures from metadata.task_instance t join metadata.dag_run using (dag_run_id)
           where dag_id = 'long'`,
        )
        expect(rows).toEqual([{ state: 'success', try_number: 2, failures: 0 }])
      }, WITHIN)
    }))

  test('twenty quick changes cause few reloads, and the last change wins', () =>
    watching({ 'hello/dag.ts': saying('start') }, async ({ running, write, pool }) => {
      await hasRun(running, 'says start')
      for (let change = 1; change <= 20; change++) await write('hello/dag.ts', saying(`${change}.`))
      await hasRun(running, 'says 20.')
      const { rows } = await pool.query(`select count(*)::int as jobs from metadata.job where kind = 'start'`)
      expect(rows[0]?.jobs).toBeLessThanOrEqual(4)
    }))

  test('a Ctrl-C ends parent and child with exit code 0', () =>
    watching({ 'hello/dag.ts': saying('one') }, async ({ running, pool }) => {
      await hasRun(running, 'says one')
      const [child = 0] = await livePids(pool)
      expect(child).not.toBe(running.process.pid)
      running.process.kill('SIGINT')
      expect(await running.ended).toMatchObject({ code: 0, stderr: '' })
      expect(isAlive(child)).toBe(false)
      await expectNothingRunning(pool)
    }))

  test('when the parent is killed, the child finishes its runs and ends', () =>
    watching({ 'hello/dag.ts': saying('one') }, async ({ running, pool }) => {
      await hasRun(running, 'says one')
      const [child = 0] = await livePids(pool)
      running.process.kill('SIGKILL')
      await vi.waitFor(() => expect(isAlive(child)).toBe(false), WITHIN)
      const { rows } = await pool.query('select state, reason from metadata.job')
      expect(rows).toEqual([{ state: 'success', reason: 'SIGTERM' }])
    }))

  test('when the child is killed, the parent ends with its exit code', () =>
    watching({ 'hello/dag.ts': saying('one') }, async ({ running, pool }) => {
      await hasRun(running, 'says one')
      const [child = 0] = await livePids(pool)
      process.kill(child, 'SIGKILL')
      expect((await running.ended).code).toBe(137)
    }))

  test('a wrong setting ends parent and child with exit code 2 and one message', () =>
    withPipelines({ 'hello/dag.ts': saying('one') }, async ({ folder }) => {
      const env = { WATCH: 'on', PIPELINES_DIR: folder, CONCURRENCY: 'many' }
      const { code, stderr } = await runCli(['start'], { env })
      expect([code, stderr]).toEqual([2, '✖ Wrong setting: CONCURRENCY must be a whole number from 1 to 1000\n'])
    }))

  test('a worker and its scheduler load changed code too', () =>
    watching(
      { 'hello/dag.ts': saying('one') },
      async ({ running, write, env, pool }) => {
        const worker = startCli(['worker'], { env: { ...env, WATCH: 'on' } })
        const hasLogged = (text: string) =>
          vi.waitFor(async () => {
            const { rows } = await pool.query('select from metadata.task_log where message = $1 limit 1', [text])
            expect(rows, running.stdout() + worker.stdout() + worker.stderr()).toHaveLength(1)
          }, WITHIN)
        try {
          await hasLogged('says one')
          await write('hello/dag.ts', saying('two'))
          await hasLogged('says two')
          await hasRun(worker, 'the pipelines have changed')
        } finally {
          worker.process.kill('SIGTERM')
        }
        expect((await worker.ended).code).toBe(0)
        const { rows } = await pool.query(`select from metadata.task_instance where state = 'failed'`)
        expect(rows).toEqual([])
      },
      { verb: 'scheduler', EXECUTOR: 'distributed' },
    ))
})

test('without WATCH, commands and the page say that a process has loaded other code than the folder contains', () =>
  watching(
    { 'hello/dag.ts': saying('one') },
    async ({ running, write, env }) => {
      await hasRun(running, 'says one')
      const trigger = () => runCli(['dags', 'trigger', 'hello'], { env })
      expect(await trigger()).toMatchObject({ code: 0, stderr: '' })
      expect(await page(running)).not.toContain('loaded other code')
      await write('hello/dag.ts', saying('two'))
      const words = new RegExp(
        `start \\(process ${running.process.pid} on .+\\) has loaded other code than .+\\. Restart it, or`,
      )
      expect((await trigger()).stderr.replaceAll(/\s+/g, ' ')).toMatch(words)
      expect((await runCli(['jobs', 'list'], { env })).stdout).toMatch(words)
      await vi.waitFor(async () => expect(await page(running)).toMatch(words), WITHIN)
      const once = await runCli(['pipeline', 'hello'], { env })
      expect(once.stderr).toMatch(words)
      const json = await runCli(['pipeline', 'hello', '--json'], { env })
      expect([json.code, json.stderr]).toEqual([0, ''])
      expect(running.stdout()).not.toContain('says two')
    },
    { WATCH: 'off' },
  ))
