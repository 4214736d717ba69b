import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { environmentText } from '../config.ts'

/** The state of a process that a try must not change. */
export interface Footprint {
  /** The kind of each resource that keeps the process alive, such as `Timeout` or `TCPSocketWrap`. */
  resources: string[]
  folder: string
  environment: string
  listeners: unknown[]
}

export function footprint(): Footprint {
  return {
    resources: process.getActiveResourcesInfo(),
    folder: folder(),
    environment: environmentText(),
    listeners: listeners(),
  }
}

/** Sockets and streams need some turns of the event loop to close. */
const WAITS_MS = [0, 1, 4, 15, 30, 50]

/**
 * Returns the difference between the process and its earlier state; undefined if there is none. If there is a
 * difference, checks again for up to 100 ms.
 */
export async function leftoversSince(before: Footprint): Promise<string | undefined> {
  let found: string | undefined
  for (const ms of WAITS_MS) {
    await (ms === 0 ? turn() : delay(ms))
    found = difference(before, footprint())
    if (found === undefined) return undefined
  }
  return found
}

function difference(before: Footprint, after: Footprint): string | undefined {
  const left = [...after.resources]
  for (const known of before.resources) {
    const at = left.indexOf(known)
    if (at >= 0) left.splice(at, 1)
  }
  if (left.length > 0) return `it left open: ${left.join(', ')}`
  if (after.folder !== before.folder) return 'it changed the working folder'
  if (after.environment !== before.environment) return 'it changed the environment'
  if (!isDeepStrictEqual(after.listeners, before.listeners)) return 'it changed the listeners of the process'
  return undefined
}

/** A working folder that was removed has no path. */
function folder(): string {
  try {
    return process.cwd()
  } catch {
    return ''
  }
}

/** Listeners that change how the process ends, or that receive messages of the parent. */
function listeners(): unknown[] {
  const names = process
    .eventNames()
    .filter((name) => /^SIG|^uncaught|^unhandled|^message|^disconnect/.test(String(name)))
  return [process.hasUncaughtExceptionCaptureCallback(), ...names.flatMap((name) => process.rawListeners(name))]
}
