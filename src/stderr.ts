import { inspect } from 'node:util'
import { exitNow } from './process-exit.ts'
import { type Scrub, scrubber } from './secrets.ts'
import { visibleText } from './visible-text.ts'

let scrub: Scrub = scrubber({})

/** From now on, output on standard error is scrubbed with `wider`. */
export function scrubStderr(wider: Scrub): void {
  scrub = wider
}

/**
 * Keeps secrets out of standard error and crash reports: in uncaught errors, in Node's warnings and in the output of
 * tasks.
 */
export function guardStderr(): void {
  const { stderr } = process
  const write = stderr.write.bind(stderr) as (...args: unknown[]) => boolean
  stderr.write = ((chunk: unknown, ...rest: unknown[]) => write(scrubbed(chunk), ...rest)) as typeof stderr.write
  // Node does not write warnings to this stream, so this listener scrubs each warning before Node's own listener prints
  // it.
  process.prependListener('warning', cleanWarning)
  // Unhandled rejections also arrive here. If there is another listener, it decides what happens.
  process.on('uncaughtException', (error) => {
    if (process.listenerCount('uncaughtException') === 1) crash(error)
  })
  // Otherwise a report contains the whole environment. Takes effect in Node 22.13 and later.
  Object.assign(process.report, { excludeEnv: true })
}

function scrubbed(chunk: unknown): unknown {
  if (typeof chunk === 'string') return scrub(chunk)
  return chunk instanceof Uint8Array ? scrub(Buffer.from(chunk).toString()) : chunk
}

function cleanWarning(warning: Error & { detail?: string }): void {
  const { message, stack, detail } = warning
  Object.assign(warning, { message: scrub(message), stack: scrub(stack ?? '') })
  if (detail) warning.detail = scrub(detail)
}

/** Prints an uncaught error and exits. */
export function crash(error: unknown): never {
  const text = visibleText(scrub(inspect(error)))
  process.stderr.write(`✖ An uncaught error ended this process:\n${text}\n`)
  exitNow(1)
}
