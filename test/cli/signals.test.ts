import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { COMMAND, PIPELINES, startCli } from '../support/cli.ts'
import { createEmptyDatabase, withDatabase } from '../support/database.ts'
import { withFolder } from '../support/scratch.ts'
import { WITHIN } from '../support/within.ts'

vi.setConfig({ testTimeout: 90_000 })

describe('an early signal', () => {
  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const)('%s while the database does not answer ends start soon, with exit code %i', async (signal, code) => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
    await vi.waitFor(() => expect(silent.address()).not.toBeNull(), WITHIN)
    const { port } = silent.address() as AddressInfo
    const running = startCli(['start'], { env: { DATABASE_URL: `postgresql://u:p@127.0.0.1:${port}/d` } })
    await vi.waitFor(() => expect(sockets).not.toEqual([]), WITHIN)
    const asked = Date.now()
    running.process.kill(signal)
    expect(await running.ended).toEqual({ code, stdout: '', stderr: '' })
    expect(Date.now() - asked).toBeLessThan(8_000)
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  test('at any moment, start exits with the code of the signal, or with 0 once its databases are open', async () => {
    const database = await createEmptyDatabase()
    const env = { DATABASE_URL: database.connectionString, LOG_FORMAT: 'json' }
    const first = startCli(['start'], { env })
    const began = Date.now()
    await vi.waitFor(() => expect(first.stdout()).toContain('health at'), WITHIN)
    const takes = Date.now() - began
    first.process.kill('SIGTERM')
    expect((await first.ended).code).toBe(0)
    for (let part = 0; part < 10; part++) {
      const running = startCli(['start'], { env })
      // This is not a wait on a condition: the test tries different moments.
      const timer = setTimeout(() => running.process.kill('SIGTERM'), (takes * part) / 9)
      const { code, stdout, stderr } = await running.ended
      clearTimeout(timer)
      expect([code, stderr]).toEqual([stdout.includes('stopping') ? 0 : 143, ''])
    }
    const { rows } = await database.pool.query(`select from metadata.job where state = 'running'`)
    expect(rows).toEqual([])
    await database.drop()
  })
})

interface Closing {
  line: string
  url: string
  /** Decides by the terminal's output whether to close it now. */
  isReady: (shown: string) => boolean
  /** True: the shell that leads the session survives, so the system sends no signal. */
  leaderSurvives?: boolean
}

/** Runs `tminus` on a terminal that closes during the run; reads its exit code from a file. */
async function closedTerminal({ line, url, isReady, leaderSurvives = false }: Closing): Promise<string> {
  let code = ''
  await withFolder(async (folder) => {
    const file = join(folder, 'code')
    // The shell ignores the signal, so that it can write the exit code of the command, which does not.
    const waiting = `trap '' HUP; ${COMMAND.join(' ')} ${line} & echo $! > pid; wait $!; echo $? > code.new; mv code.new code`
    const terminal = spawn('script', ['-qfec', leaderSurvives ? waiting : `(${waiting}); true`, '/dev/null'], {
      cwd: folder,
      env: { PATH: process.env.PATH, SHELL: '/bin/sh', DATABASE_URL: url, PIPELINES_DIR: PIPELINES, WEB_PORT: '0' },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    let shown = ''
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text
    })
    await vi.waitFor(() => expect(shown).toSatisfy(isReady), WITHIN)
    terminal.kill('SIGKILL')
    if (leaderSurvives) {
      await once(terminal, 'exit')
      process.kill(Number(await readFile(join(folder, 'pid'), 'utf8')), 'SIGTERM')
    }
    await vi.waitFor(() => expect(existsSync(file)).toBe(true), WITHIN)
    code = (await readFile(file, 'utf8')).trim()
  })
  return code
}

describe.skipIf(!existsSync('/usr/bin/script'))('a terminal that is closed', { concurrent: true }, () => {
  test('a run on it is interrupted and recorded', async () => {
    await withDatabase(async ({ connectionString: url, pool }) => {
      const isReady = (shown: string) => shown.includes('waiting')
      expect(await closedTerminal({ line: 'pipeline slow', url, isReady })).toBe('129')
      const { rows } = await pool.query('select state, reason from metadata.dag_run')
      expect(rows).toEqual([{ state: 'failed', reason: 'wait failed: interrupted' }])
    })
  })

  const isUp = (shown: string) => shown.includes(' at http')

  test.each(['start', 'scheduler', 'web'])('%s stops as after a SIGTERM, and records its end', async (line) => {
    await withDatabase(async ({ connectionString: url, pool }) => {
      await migrate(url)
      expect(await closedTerminal({ line, url, isReady: isUp })).toBe('0')
      const { rows } = await pool.query('select state, reason from metadata.job')
      expect(rows).toEqual(line === 'web' ? [] : [{ state: 'success', reason: 'SIGHUP' }])
    })
  })

  test('if no signal arrives, start continues without a terminal, and still shuts down cleanly', async () => {
    await withDatabase(async ({ connectionString: url, pool }) => {
      expect(await closedTerminal({ line: 'start', url, isReady: isUp, leaderSurvives: true })).toBe('0')
      const { rows } = await pool.query('select state, reason from metadata.job')
      expect(rows).toEqual([{ state: 'success', reason: 'SIGTERM' }])
    })
  })
})

async function migrate(connectionString: string): Promise<void> {
  expect((await startCli(['db', 'migrate'], { env: { DATABASE_URL: connectionString } }).ended).code).toBe(0)
}
