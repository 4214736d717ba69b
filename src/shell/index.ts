import { currentTry } from '../blame.ts'
import { skip } from '../dag/ending.ts'
import type { TaskContext } from '../dag/task.ts'
import { TminusError } from '../errors.ts'
import { scrubber } from '../secrets.ts'
import { type Ended, execute } from './command.ts'

type Word = string | number | bigint | boolean

/** A value in a command. The shell reads it as one word, whatever it contains; a list becomes several words. */
export type ShellValue = Word | readonly Word[]

export interface ShellOptions {
  /** The working folder. Default: that of the process. */
  cwd?: string
  /**
   * Variables in addition to those of the process; undefined removes one. If the name says that a value is a secret, the
   * log shows `***` instead.
   */
  env?: Readonly<Record<string, string | undefined>>
  /** The standard input. Default: empty. */
  input?: string
  /** This exit code skips the task. Default 99, as in Airflow; null: no code does. */
  skipExitCode?: number | null
}

/**
 * What a command printed, without line breaks at the end. Reading a stream of more than 1 MB throws TminusError
 * `shell_output`.
 */
export interface ShellOutput {
  readonly stdout: string
  readonly stderr: string
}

export interface Shell {
  /**
   * Runs a command with bash and waits for its end. Each line that it prints goes to the task's log: `info` for standard
   * output, `warn` for standard error. If the task is aborted, the command and all its subprocesses are ended.
   *
   * Throws TminusError `shell_failed` if the exit code is not 0, with the last lines of standard error.
   */
  (pieces: TemplateStringsArray, ...values: readonly ShellValue[]): Promise<ShellOutput>
  /** The same with options: `` $({ cwd: '/data' })`ls` ``. */
  (options: ShellOptions): Shell
}

/** Runs shell commands in a task: `` await $`dbt run --select ${model}` ``. */
export const $: Shell = shellWith({})

function shellWith(options: ShellOptions): Shell {
  function shell(pieces: TemplateStringsArray, ...values: readonly ShellValue[]): Promise<ShellOutput>
  function shell(more: ShellOptions): Shell
  function shell(first: TemplateStringsArray | ShellOptions, ...values: readonly ShellValue[]) {
    return 'raw' in first ? run(options, first, values) : shellWith({ ...options, ...first })
  }
  return shell
}

async function run(
  options: ShellOptions,
  pieces: TemplateStringsArray,
  values: readonly ShellValue[],
): Promise<ShellOutput> {
  const { signal, log } = contextOfTry()
  const mask = scrubber(options.env ?? {})
  const print = (level: 'info' | 'warn') => (line: string) => log[level](mask(line))
  const [onStdout, onStderr] = [print('info'), print('warn')]
  const onStart = (command: string) => log.info(mask(`$ ${command}`))
  const ended = await execute({ ...options, pieces, values, signal, onStart, onStdout, onStderr })
  signal.throwIfAborted()
  const { skipExitCode = 99 } = options
  if (ended.code === skipExitCode && skipExitCode !== null)
    throw skip(mask(`${ended.name} exited with code ${ended.code}`))
  if (ended.code !== 0) throw failed(ended, mask)
  return outputOf(ended)
}

function contextOfTry(): Pick<TaskContext, 'signal' | 'log'> {
  const context = currentTry()?.context
  if (context !== undefined) return context
  throw new TminusError('$ works only in the code of a running task; call it from the `run` function of a task', {
    code: 'shell_outside',
    retryable: false,
  })
}

function failed({ name, code, signal, lastLines, cause }: Ended, mask: (text: string) => string): TminusError {
  if (cause !== undefined)
    return new TminusError(`bash could not be started: ${cause.message}; check cwd, and install bash`, {
      code: 'shell_failed',
      cause,
    })
  const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`
  const why = lastLines.length > 0 ? `: ${lastLines.join(' / ')}` : ''
  return new TminusError(mask(`${name} ${how}${why}`), { code: 'shell_failed', fields: { exitCode: code, signal } })
}

function outputOf({ name, stdout, stderr }: Ended): ShellOutput {
  const whole = (text: string | undefined, stream: string): string => {
    if (text !== undefined) return text.replace(/[\r\n]+$/, '')
    throw new TminusError(`the ${stream} of ${name} is larger than 1 MB; write it to a file`, { code: 'shell_output' })
  }
  return {
    get stdout() {
      return whole(stdout, 'standard output')
    },
    get stderr() {
      return whole(stderr, 'standard error')
    },
  }
}
