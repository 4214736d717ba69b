import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { exitNow } from '../process-exit.ts'

/** Exit codes by the convention of shells: 128 and the signal's number. */
export const EXIT_OF = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
export type StopSignal = keyof typeof EXIT_OF

/** A process that has not ended so long after its first signal is ended: a database may hang, and a query with it. */
const LAST_RESORT_MS = 40_000

/**
 * Calls `stop` at the first SIGINT, SIGTERM or SIGHUP (the terminal was closed). A second SIGINT or SIGTERM ends the
 * process at once, and so do 40 s. A second SIGHUP does not: the system and the shell each send one. Returns how to
 * stop listening.
 */
export function onStopSignal(stop: (signal: StopSignal) => void): () => void {
  const signals = Object.keys(EXIT_OF) as StopSignal[]
  let asked = false
  const heard = (name: NodeJS.Signals) => {
    const signal = name as StopSignal
    if (asked && signal !== 'SIGHUP') exitNow(EXIT_OF[signal])
    if (signal === 'SIGHUP') leaveTerminal()
    if (asked) return
    asked = true
    setTimeout(() => exitNow(EXIT_OF[signal]), LAST_RESORT_MS).unref()
    stop(signal)
  }
  for (const signal of signals) process.on(signal, heard)
  return () => {
    for (const signal of signals) process.off(signal, heard)
  }
}

const TERMINALS = process.platform === 'win32' ? [] : [0, 1, 2].filter((fd) => isatty(fd))

/**
 * For when the terminal is gone. Node resets it when the process ends, and aborts (134) where that fails; it leaves out
 * what is no longer the same file.
 */
export function leaveTerminal(): void {
  for (const fd of TERMINALS.splice(0)) {
    closeSync(fd)
    // Takes the lowest free number, which is the one just closed.
    openSync('/dev/null', 'r+')
  }
}
