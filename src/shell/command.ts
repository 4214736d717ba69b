import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { within } from '../clock.ts'
import { OutputLines } from '../output-lines.ts'

export interface Command {
  pieces: TemplateStringsArray
  values: readonly unknown[]
  cwd?: string
  env?: Readonly<Record<string, string | undefined>>
  input?: string
  /** Ends the command. */
  signal: AbortSignal
  /** Called with the whole command, its values quoted, without the indentation that all its lines have. */
  onStart(command: string): void
  onStdout(line: string): void
  onStderr(line: string): void
}

/** How a command ended. */
export interface Ended {
  /** The beginning of the command, for messages. */
  name: string
  /** Null if a signal ended it. */
  code: number | null
  signal: NodeJS.Signals | null
  /** The error if it did not start. */
  cause: Error | undefined
  /** The last lines of standard error; those of standard output if there are none. */
  lastLines: readonly string[]
  /** Undefined if it is larger than MOST_OUTPUT. */
  stdout: string | undefined
  stderr: string | undefined
}

const MOST_OUTPUT = 1_000_000
const MOST_LAST_LINES = 10
const MOST_LAST_LINE = 300
const MOST_NAME = 80
/** Time from SIGTERM to SIGKILL. An aborted task is abandoned after 10 s, so the command ends before that. */
const KILL_AFTER_MS = 5_000
/** Background processes may print for this long after the end of the command; then they are ended. */
const DRAIN_MS = 1_000

/** The file descriptor of a pipe that closes when this process ends. */
const GUARD_FD = 3
/**
 * The shell leads a process group of its own. If this process ends, even by SIGKILL, the guard ends that group. The guard
 * is not a child of the shell, so `wait` does not wait for it.
 */
const PREFIX = `( ( trap '' TERM INT HUP; read -r <&${GUARD_FD}; kill -TERM -$$; sleep ${KILL_AFTER_MS / 1_000}; kill -KILL -$$ ) </dev/null >/dev/null 2>&1 & ); exec ${GUARD_FD}<&-; set -euo pipefail; `

/** Keeps nothing: zx would keep the whole output. */
class Discarded extends Array<string | Buffer> {
  override push(): number {
    return 0
  }
}

/** Executes a command and waits until its process group has ended. Rejects if `signal` was aborted before the start. */
export async function execute(command: Command): Promise<Ended> {
  const { pieces, values, cwd, env, input, signal, onStart } = command
  // Loaded with the first command, because most processes run none.
  const { $: zx, quote } = await import('zx/core')
  signal.throwIfAborted()
  const running = zx({
    ...{ shell: 'bash', quote, prefix: PREFIX, postfix: '', detached: true, nothrow: true, verbose: false },
    ...{ stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe'], preferLocal: false, log: () => {} },
    store: { stdout: new Discarded(), stderr: new Discarded(), stdall: new Discarded() },
    ...(env && { env: { ...zx.env, ...env } }),
    ...(cwd !== undefined && { cwd }),
    ...(input !== undefined && { input }),
  })(pieces, ...values)
  onStart(dedented(running.cmd))
  const { child } = running
  const stdout = new Collected(child?.stdout, command.onStdout)
  const stderr = new Collected(child?.stderr, command.onStderr)
  if (child) endGroupWith(child, signal)
  const { exitCode: code, signal: endedBy, cause } = await running
  const lastLines = stderr.flush().length > 0 ? stderr.lastLines : stdout.flush()
  stdout.flush()
  const name = nameOf(running.cmd)
  return { name, code, signal: endedBy, cause: cause ?? undefined, lastLines, stdout: stdout.text, stderr: stderr.text }
}

/** A template over several lines is indented as the code around it: its log line is not. */
function dedented(command: string): string {
  const lines = command
    .trimEnd()
    .replace(/^(?:[ \t]*\n)+/, '')
    .split('\n')
  const indents = lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/))
  return lines.map((line) => line.slice(Math.min(...indents))).join('\n')
}

function nameOf(command: string): string {
  const [first = ''] = command.trim().split('\n')
  return first.length > MOST_NAME ? `${first.slice(0, MOST_NAME)}…` : first
}

/** Ends the group when the signal aborts, and what is left of it when its leader has ended. */
function endGroupWith(child: ChildProcess, signal: AbortSignal): void {
  let timer: NodeJS.Timeout | undefined
  const terminate = () => {
    signalGroup(child, 'SIGTERM')
    timer = setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_AFTER_MS)
  }
  const streams = child.stdio.filter((stream) => stream !== null && stream !== undefined)
  for (const stream of streams) stream.on('error', () => {})
  signal.addEventListener('abort', terminate, { once: true })
  child.once('exit', async () => {
    signal.removeEventListener('abort', terminate)
    const outputs = [child.stdout, child.stderr].filter((stream) => stream !== null && !stream.closed)
    const waitMs = timer === undefined ? DRAIN_MS : KILL_AFTER_MS
    await within(waitMs, Promise.all(outputs.map((stream) => new Promise((done) => stream?.once('close', done)))))
    clearTimeout(timer)
    signalGroup(child, 'SIGKILL')
    // A process that has left the group may keep them open for ever.
    for (const stream of streams) stream.destroy()
  })
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // The group has ended.
  }
}

/** The output on one stream: its lines go to the log, its beginning and its last lines are kept. */
class Collected {
  readonly lastLines: string[] = []
  /** Undefined if it was larger than MOST_OUTPUT. */
  text: string | undefined = ''
  readonly #lines: OutputLines

  constructor(stream: Readable | null | undefined, onLine: (line: string) => void) {
    this.#lines = new OutputLines((line) => {
      const plain = stripVTControlCharacters(line)
      this.lastLines.push(plain.slice(0, MOST_LAST_LINE))
      if (this.lastLines.length > MOST_LAST_LINES) this.lastLines.shift()
      onLine(plain)
    })
    if (!stream) return
    this.#lines.readFrom(stream)
    stream.on('data', (chunk: string) => {
      const text = this.text === undefined ? undefined : this.text + chunk
      this.text = text !== undefined && text.length > MOST_OUTPUT ? undefined : text
    })
  }

  /** Call this when the stream has ended. Returns the last lines. */
  flush(): readonly string[] {
    this.#lines.flush()
    return this.lastLines
  }
}
