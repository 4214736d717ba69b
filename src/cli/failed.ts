import pc from 'picocolors'
import { type Environment, readEnvironment } from '../config.ts'
import { messageOf, TminusError, UsageError } from '../errors.ts'
import { scrubber } from '../secrets.ts'
import { visibleText } from '../visible-text.ts'
import { printable, wrap } from './terminal/screen.ts'

/** Says what went wrong, once, at the edge; returns the exit code. The stack is shown with LOG_LEVEL=debug only. */
export function failed(error: unknown): number {
  const env = environment()
  const scrub = scrubber(env)
  const known = error instanceof TminusError
  complain(scrub(known || env.LOG_LEVEL !== 'debug' ? messageOf(error) : ''))
  if (env.LOG_LEVEL === 'debug' && error instanceof Error)
    process.stderr.write(`${visibleText(scrub(stackOf(error)))}\n`)
  else if (!known) process.stderr.write('  LOG_LEVEL=debug shows where.\n')
  return error instanceof UsageError ? 2 : 1
}

/** Of the process alone where `.env` cannot be read: that may be what went wrong. */
function environment(): Environment {
  try {
    return readEnvironment()
  } catch {
    return readEnvironment({ file: false })
  }
}

/** A sentence about what is wrong, as every one of them begins. */
export function complain(text: string): void {
  const colors = pc.createColors(process.stderr.isTTY === true && pc.isColorSupported)
  const columns = process.stderr.isTTY ? process.stderr.columns || 80 : Number.POSITIVE_INFINITY
  process.stderr.write(`${wrap(`${colors.red('✖')} ${printable(text)}`, columns).join('\n')}\n`)
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own
}
