import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { currentTry, type RunningTry, runningTries } from './blame.ts'
import { OutputLines } from './output-lines.ts'

type Method = (this: unknown, ...args: unknown[]) => unknown

const consoles = new WeakMap<RunningTry, Console>()

/**
 * From now on, `console.log` and the other methods that print write to the log of the try that calls them: `info`, or
 * `warn` if the method prints to standard error. The field `stream` marks such lines. Outside a running try, `console` is
 * unchanged. Returns a function that restores it.
 */
export function captureConsole(): () => void {
  const methods = console as unknown as Record<string, Method>
  const original = { ...methods }
  for (const name of PRINTING) {
    const print = original[name] as Method
    methods[name] = function (...args) {
      const by = currentTry()
      const isRunning = by?.context !== undefined && runningTries().has(by)
      return isRunning ? (consoleOf(by) as unknown as Record<string, Method>)[name]?.(...args) : print.apply(this, args)
    }
  }
  return () => void Object.assign(methods, Object.fromEntries(PRINTING.map((name) => [name, original[name]])))
}

/** Not here: `time`, whose labels belong to the whole process. */
const PRINTING: readonly (keyof Console)[] = [
  ...(['debug', 'info', 'log', 'dir', 'dirxml', 'table', 'group', 'groupCollapsed', 'groupEnd'] as const),
  ...(['error', 'warn', 'trace', 'assert'] as const),
]

/** A console of its own for each try, because a group indents all later lines. */
function consoleOf(by: RunningTry): Console {
  const known = consoles.get(by) ?? new Console({ stdout: toLog(by, 'stdout'), stderr: toLog(by, 'stderr') })
  consoles.set(by, known)
  return known
}

function toLog({ context }: RunningTry, stream: 'stdout' | 'stderr'): Writable {
  const level = stream === 'stdout' ? 'info' : 'warn'
  const lines = new OutputLines((line) => context?.log[level](line, { stream }))
  return new Writable({
    decodeStrings: false,
    write: (text: string, _encoding, done) => {
      lines.push(text)
      done()
    },
  })
}
