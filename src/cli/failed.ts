import pc from 'picocolors'
import { type Environment, readEnvironment } from '../config.ts'
import { messageOf, stacksOf, TminusError, UsageError } from '../errors.ts'
import { scrubber } from '../secrets.ts'
import { wrap } from '../terminal-text.ts'
import { visibleText } from '../visible-text.ts'
import { printable, terminalColumns } from './terminal/screen.ts'

/** Prints an error and returns the exit code. Prints the stack only with LOG_LEVEL=debug. */
export function failed(error: unknown): number {
  const env = environment()
  const scrub = scrubber(env)
  const known = error instanceof TminusError
  printError(scrub(known || env.LOG_LEVEL !== 'debug' ? messageOf(error) : ''))
  if (env.LOG_LEVEL === 'debug' && error instanceof Error)
    process.stderr.write(`${visibleText(scrub(stacksOf(error, String)))}\n`)
  else if (!known) process.stderr.write('  LOG_LEVEL=debug shows where the error occurred.\n')
  return error instanceof UsageError ? 2 : 1
}

/** Omits `.env` if that file cannot be read: the error to print may be about that file. */
function environment(): Environment {
  try {
    return readEnvironment()
  } catch {
    return readEnvironment({ file: false })
  }
}

/** Prints one sentence about an error, with a red ✖ before it. */
export function printError(text: string): void {
  const colors = pc.createColors(process.stderr.isTTY === true && pc.isColorSupported)
  const lines = wrap(`${colors.red('✖')} ${printable(text)}`, terminalColumns(process.stderr))
  process.stderr.write(`${lines.join('\n')}\n`)
}
