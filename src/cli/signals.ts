import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { within } from '../clock.ts'
import { exitNow } from '../process-exit.ts'

/** Exit codes as shells define them: 128 plus the number of the signal. */
export const EXIT_OF = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
export type StopSignal = keyof typeof EXIT_OF

/** Time limit for running tasks to end after a SIGTERM to `start` or `scheduler`. */
export const GRACE_MS = 30_000
/** Time limit for the rest: to abort tasks, to release their runs and to close the databases. */
export const CLOSING_MS = 5_000

/**
 * Calls `stop` at the first SIGINT, SIGTERM or SIGHUP (the terminal was closed). A second SIGINT or SIGTERM ends the
 * process at once. After `withinMs` the process ends in any case, even if a query hangs. A second SIGHUP is ignored,
 * because the system and the shell each send one. Returns a function that removes the listeners.
 */
export function onStopSignal(stop: (signal: StopSignal) => void, withinMs: number = GRACE_MS + CLOSING_MS): () => void {
  const signals = Object.keys(EXIT_OF) as StopSignal[]
  let asked = false
  const onSignal = (name: NodeJS.Signals) => {
    const signal = name as StopSignal
    if (asked && signal !== 'SIGHUP') exitNow(EXIT_OF[signal])
    if (signal === 'SIGHUP') leaveTerminal()
    if (asked) return
    asked = true
    setTimeout(() => exitNow(EXIT_OF[signal]), withinMs).unref()
    stop(signal)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
}

/** Time limit for a process to open its databases and to end after a signal that arrives before they are open. */
const EARLY_GRACE_MS = 3_000

/** Handles a signal that arrives before the databases are open. Returns the signal's own exit code. */
export async function endEarly(signal: StopSignal, ended: Promise<unknown>): Promise<number> {
  // If opening fails there is nothing to close, and the error no longer matters.
  await within(EARLY_GRACE_MS, ended).catch(() => {})
  return EXIT_OF[signal]
}

const TERMINALS = process.platform === 'win32' ? [] : [0, 1, 2].filter((fd) => isatty(fd))

/**
 * Detaches the process from a terminal that was closed. Otherwise Node would try to reset the terminal at exit, fail
 * and abort (134). Node does not reset a descriptor that now belongs to another file.
 */
export function leaveTerminal(): void {
  for (const fd of TERMINALS.splice(0)) {
    closeSync(fd)
    // `openSync` uses the lowest free number, which is the number that was just closed.
    openSync('/dev/null', 'r+')
  }
}
