import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { within } from '../../src/clock.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NODE = ['--conditions=tminus-source', '--import', join(ROOT, 'node_modules/tsx/dist/esm/index.mjs')]
const MAIN = join(ROOT, 'src/cli/main.ts')

/** The real `tminus` as a shell starts it. */
export const COMMAND: readonly string[] = [process.execPath, ...NODE, MAIN]

const FIXTURES = join(ROOT, 'test/fixtures')
/** The pipelines folder, unless a test names another one. */
export const PIPELINES = join(FIXTURES, 'pipelines')

export interface Ended {
  /** Exit code as a shell shows it: 128 plus the signal's number if a signal ended the process. */
  code: number
  stdout: string
  stderr: string
}

export interface Running {
  process: ChildProcess
  /** Its standard output so far. */
  stdout(): string
  /** Its standard error so far. */
  stderr(): string
  ended: Promise<Ended>
}

export interface ProcessOptions {
  /** All environment variables except PATH; undefined ones are omitted. */
  env?: Record<string, string | undefined>
  /** Default: the fixtures, where there is no `.env`. */
  cwd?: string
  /** A command that runs the process, such as `ip netns exec NAME`. */
  prefix?: readonly string[]
}

/** The real `tminus` in a process of its own, on the fixture pipelines. */
export function startCli(args: readonly string[], { env = {}, ...options }: ProcessOptions = {}): Running {
  return startNode([MAIN, ...args], { env: { PIPELINES_DIR: PIPELINES, WEB_PORT: '0', ...env }, ...options })
}

/**
 * Waits until `found` finds something in what the process prints. Throws an error with its output if it ends before. It
 * has no time limit but that of the test, because a busy machine may take a minute to start a process.
 */
export function printed<T>({ process: { stdout }, ended }: Running, found: () => T | Nothing): Promise<T> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const value = found()
      if (value === undefined || value === null || value === false) return
      stdout?.off('data', look)
      resolve(value)
    }
    stdout?.on('data', look)
    look()
    void ended.then((end) => reject(new Error(`it ended with exit code ${end.code}: ${end.stdout}${end.stderr}`)))
  })
}

type Nothing = undefined | null | false

/** Throws an error with its output if it does not end in time. */
export async function runCli(args: readonly string[], options: ProcessOptions = {}): Promise<Ended> {
  const running = startCli(args, options)
  const ended = await within(ENDS_WITHIN_MS, running.ended)
  if (ended !== undefined) return ended
  const [stdout, stderr] = [running.stdout(), running.stderr()]
  throw new Error(`tminus ${args.join(' ')} (process ${running.process.pid}) does not end: ${stdout}${stderr}`)
}

const ENDS_WITHIN_MS = 150_000

/** The processes that still run. They are ended after the tests of the file, and if the test run itself is killed. */
const started = new Set<ChildProcess>()
const killAll = () => {
  for (const child of started) child.kill('SIGKILL')
}
afterAll(killAll)
process.once('disconnect', killAll)

/** A node process that runs TypeScript and resolves the package's own names. It ends with the test file at the latest. */
export function startNode(
  args: readonly string[],
  { env = {}, cwd = FIXTURES, prefix = [] }: ProcessOptions = {},
): Running {
  const [command = '', ...rest] = [...prefix, process.execPath, ...NODE, ...args]
  const child = spawn(command, rest, {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.add(child.once('exit', () => started.delete(child)))
  const texts = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    texts.stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    texts.stderr += chunk
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    const bySignal = signal === null ? 0 : 128 + constants.signals[signal as NodeJS.Signals]
    return { code: (code ?? bySignal) as number, ...texts }
  })
  return { process: child, stdout: () => texts.stdout, stderr: () => texts.stderr, ended }
}

/** Runs the text of a module. Its imports start at the checkout's root: `ROOT/src/…`. */
export async function runScript(script: string, options: ProcessOptions = {}): Promise<Ended> {
  return await startScript(script, options).ended
}

export function startScript(script: string, options: ProcessOptions = {}): Running {
  return startNode(['--input-type=module', '-e', script.replaceAll('ROOT/', ROOT)], options)
}
