import { inspect } from 'node:util'
import { exitNow } from './process-exit.ts'
import { type Scrub, scrubber } from './secrets.ts'
import { visibleText } from './visible-text.ts'

let scrub: Scrub = scrubber({})

/** From now on these secrets too are taken out of what this process writes to standard error. */
export function scrubStderr(wider: Scrub): void {
  scrub = wider
}

/**
 * Nothing reaches standard error, or a report of a crash, with a secret in it: not what ends the process without being
 * caught, not Node's own warnings, not what a task writes there.
 */
export function guardStderr(): void {
  const { stderr } = process
  const write = stderr.write.bind(stderr) as (...args: unknown[]) => boolean
  stderr.write = ((chunk: unknown, ...rest: unknown[]) => write(scrubbed(chunk), ...rest)) as typeof stderr.write
  // Node writes a warning past the stream: it is cleaned before Node's own listener shows it.
  process.prependListener('warning', cleanWarning)
  // A rejection that nothing handles arrives here too. Who else listens for it decides about it.
  process.on('uncaughtException', (error) => {
    if (process.listenerCount('uncaughtException') === 1) endBy(error)
  })
  // A report holds the whole environment otherwise. Node 22.13 and later know this.
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

/** Ends the process by an error that nothing caught, and says so. */
export function endBy(error: unknown): never {
  const text = visibleText(scrub(inspect(error)))
  process.stderr.write(`✖ An error that nothing caught ended this process:\n${text}\n`)
  exitNow(1)
}
