import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import type { TaskOptions } from '../../src/dag/task.ts'
import type { LogLine } from '../../src/metadata/transitions.ts'
import { $ } from '../../src/shell/index.ts'
import { startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { hasGroup } from '../support/isolated.ts'
import { openTestRunner, uniqueId, until } from '../support/runner.ts'
import { withFolder } from '../support/scratch.ts'

const database = useDatabase()

type Run = TaskOptions<Record<never, never>, 'all_success', undefined, { signal: AbortSignal }>['run']

/** Runs a dag of one task; returns how it ended, and the lines of its log without the first. */
async function act(run: Run, options: { executionTimeout?: '1s' } = {}) {
  const lines: LogLine[] = []
  const defined = dag(uniqueId('shell'), {}, ({ task }) => void task('act', { run, ...options }))
  const runner = await openTestRunner(database, [defined], { onLog: (line) => lines.push(line) })
  const { task_instances } = await runner.run(defined)
  const [{ state, reason } = { state: '', reason: '' }] = task_instances
  const printed = lines.map(({ level, message }) => `${level} ${message}`)
  return { state, reason, printed: printed.slice(1), command: printed[0] }
}

/** The process group of a command that has written its number into a file. */
async function groupIn(file: string): Promise<number> {
  await until(() => existsSync(file))
  await until(async () => (await readFile(file, 'utf8')).endsWith('\n'))
  return Number(await readFile(file, 'utf8'))
}

describe('values', () => {
  test.each([
    ['$(touch pwned)', '$(touch pwned)'],
    ['; exit 7', '; exit 7'],
    [`it's "so"`, `it's "so"`],
    ['', ''],
    ['-n\ttab\\n`id` é 🚀', '-n\ttab\\n`id` é 🚀'],
    ['two\nlines', 'two\nlines'],
    [12, '12'],
  ])('%j is one word', async (value, word) => {
    let words: string[] = []
    const { state } = await act(async () => {
      words = (await $`printf '%s\\0' ${value} end`).stdout.split('\0')
    })
    expect([state, words]).toEqual(['success', [word, 'end', '']])
  })

  test('the log shows a command of several lines without their common indentation', async () => {
    const { command } = await act(async () => {
      await $`
        if true; then

          echo ${'two\nlines'}
        fi
      `
    })
    expect(command).toBe("info $ if true; then\n\n  echo $'two\\nlines'\nfi")
  })

  test('a list becomes several words', async () => {
    let out = ''
    await act(async () => {
      out = (await $`printf '[%s]' ${['a b', '*', 3]}`).stdout
    })
    expect(out).toBe('[a b][*][3]')
  })
})

describe('options', () => {
  test('cwd, env and input reach the command; env keeps the other variables', async () => {
    let out = ''
    await act(async () => {
      out = (
        await $({ cwd: tmpdir(), env: { GREETING: 'hi' }, input: 'typed' })`pwd; cat; echo " $GREETING \${PATH:0:1}"`
      ).stdout
    })
    expect(out).toBe(`${realpathSync(tmpdir())}\ntyped hi /`)
  })

  test('input that the command does not read is no error', async () => {
    expect(await act(() => $({ input: 'x'.repeat(5_000_000) })`true`)).toMatchObject({ state: 'success' })
  })

  test('a secret of env is masked in the command, in the lines and in the reason', async () => {
    const PARTNER_TOKEN = 'sesame-open-up'
    const options = { env: { PARTNER_TOKEN } }
    const { command, printed, reason } = await act(() => $(options)`echo $PARTNER_TOKEN ${PARTNER_TOKEN} >&2; exit 4`)
    expect([command, printed]).toEqual([expect.stringContaining('***'), ['warn *** ***']])
    expect(reason).toMatch(/exited with code 4: \*\*\* \*\*\*$/)
  })

  test('a folder that does not exist fails the task', async () => {
    const { state, reason } = await act(() => $({ cwd: '/does/not/exist' })`true`)
    expect([state, reason]).toEqual(['failed', expect.stringContaining('bash could not be started')])
  })
})

describe('the end of a command', () => {
  test('exit code 99 skips the task', async () => {
    expect(await act(() => $`exit 99`)).toMatchObject({ state: 'skipped', reason: 'exit 99 exited with code 99' })
  })

  test('another code skips it if the task says so', async () => {
    expect(await act(() => $({ skipExitCode: 3 })`exit 3`)).toMatchObject({ state: 'skipped' })
    expect(await act(() => $({ skipExitCode: 3 })`exit 99`)).toMatchObject({ state: 'failed' })
    expect(await act(() => $({ skipExitCode: null })`exit 99`)).toMatchObject({ state: 'failed' })
  })

  test('the reason has the last ten lines of standard error', async () => {
    const { reason, printed } = await act(() => $`for i in $(seq 1 30); do echo "line $i" >&2; done; exit 2`)
    expect(printed).toHaveLength(30)
    expect(reason).toMatch(/exited with code 2: line 21 \/ .* \/ line 30$/)
  })

  test('without standard error, the reason has the last lines of standard output', async () => {
    expect((await act(() => $`echo "1 of 3 failed"; exit 1`)).reason).toMatch(/exited with code 1: 1 of 3 failed$/)
  })

  test('a command that a signal ended fails with its name', async () => {
    expect((await act(() => $`kill -KILL $$`)).reason).toBe('kill -KILL $$ was killed by SIGKILL')
  })

  test.each(['false | true', 'false; true', 'echo $NOT_SET_ANYWHERE'])('%s fails', async (script) => {
    const { state } = await act(() => $`eval ${script}`)
    expect(state).toBe('failed')
  })

  test('`wait` waits for the jobs of the command only', async () => {
    const { state, printed } = await act(() => $`sleep 0.05 & wait; echo over`)
    expect([state, printed]).toEqual(['success', ['info over']])
  })

  test('what it leaves in the background ends with it', async () => {
    let out = ''
    const began = performance.now()
    const { state } = await act(async () => {
      out = (await $`echo $$; (trap '' TERM; sleep 600) & exit 0`).stdout
    })
    expect([state, performance.now() - began < 10_000]).toEqual(['success', true])
    expect(hasGroup(Number(out))).toBe(false)
  })
})

describe('a command of an aborted task', () => {
  test('ends with all its subprocesses', async () => {
    await withFolder(async (folder) => {
      const file = join(folder, 'group')
      const ended = act(() => $`echo $$ > ${file}; (trap '' TERM; sleep 600) & sleep 600`, { executionTimeout: '1s' })
      const group = await groupIn(file)
      expect(hasGroup(group)).toBe(true)
      expect((await ended).reason).toBe('took longer than its execution timeout of 1 s')
      expect(hasGroup(group)).toBe(false)
    })
  })

  test('may clean up after SIGTERM', async () => {
    const { printed } = await act(
      () => $`bash -c 'trap "sleep 0.5; echo cleaned; exit 1" TERM; echo ready; sleep 600 & wait'; true`,
      { executionTimeout: '1s' },
    )
    expect(printed).toEqual(['info ready', 'info cleaned'])
  })

  test('is not started after the abort', async () => {
    const { reason, command } = await act(
      async (_inputs, { signal }) => {
        while (!signal.aborted) await delay(20)
        await $`echo never`
      },
      { executionTimeout: '1s' },
    )
    expect([reason, command]).toEqual(['took longer than its execution timeout of 1 s', undefined])
  })
})

describe('output', () => {
  test('each of two tasks that run at once gets its own lines', async () => {
    const printed = await Promise.all(
      ['a', 'b'].map(async (word) => (await act(() => $`for i in 1 2 3; do echo ${word}; sleep 0.02; done`)).printed),
    )
    expect(printed).toEqual([Array(3).fill('info a'), Array(3).fill('info b')])
  })

  test('colours are removed from the log, and kept in the output', async () => {
    let out = ''
    const { printed } = await act(async () => {
      out = (await $`printf '\\033[31mred\\033[0m\\n'`).stdout
    })
    expect([printed, out]).toEqual([['info red'], '\x1b[31mred\x1b[0m'])
  })

  test('a megabyte can be read; more is an error only for a task that reads it', async () => {
    const print = (bytes: number) => $`head -c ${bytes} /dev/zero | tr '\\0' x | fold -w 10000`
    expect((await act(async () => void (await print(900_000)).stdout)).state).toBe('success')
    expect((await act(() => print(1_200_000))).state).toBe('success')
    const { reason } = await act(async () => void (await print(1_200_000)).stdout)
    expect(reason).toMatch(/^the standard output of head -c 1200000 .* is larger than 1 MB; write it to a file$/)
  })

  test('an endless flood neither occupies the process nor fills its memory', async () => {
    const before = process.memoryUsage().rss
    const { reason, printed } = await act(() => $`yes`, { executionTimeout: '1s' })
    expect(reason).toBe('took longer than its execution timeout of 1 s')
    const dropped = printed.map(
      (line) => /^warn ([\d,]+) lines were not stored/.exec(line)?.[1]?.replaceAll(',', '') ?? 0,
    )
    expect(printed.length + dropped.reduce<number>((sum, count) => sum + Number(count), 0)).toBeLessThan(600_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000)
  })
})

test('outside a task, $ says so', async () => {
  await expect(() => $`echo lost`).rejects.toThrow('$ works only in the code of a running task')
})

test.each(['none', 'all'])(
  'kill -9 of the process of a task ends its command too (ISOLATION=%s)',
  async (ISOLATION) => {
    await withFolder(async (folder) => {
      const file = join(folder, 'group')
      const script = `echo $$ > '${file}'; sleep 600 & sleep 600`
      const running = startCli(['pipeline', 'script', '--conf', JSON.stringify({ script })], {
        env: {
          PIPELINES_DIR: fileURLToPath(new URL('../fixtures/shell-pipelines', import.meta.url)),
          DATABASE_URL: database.connectionString,
          ISOLATION,
        },
      })
      const group = await groupIn(file)
      expect(hasGroup(group)).toBe(true)
      const { stdout } = spawnSync('ps', ['-o', 'ppid=', '-p', String(group)], { encoding: 'utf8' })
      expect(ISOLATION === 'none' ? Number(stdout) === running.process.pid : Number(stdout) > 1).toBe(true)
      process.kill(Number(stdout), 'SIGKILL')
      await until(() => !hasGroup(group))
      running.process.kill('SIGKILL')
      await running.ended
    })
  },
)
