import { syncBuiltinESMExports } from 'node:module'

type Method = (...args: never[]) => never
type Process = Record<'exit' | 'reallyExit' | 'abort' | 'kill', Method>

const own = process as unknown as Process
const ORIGINAL: Process = { exit: own.exit, reallyExit: own.reallyExit, abort: own.abort, kill: own.kill }

/** A guard throws to refuse a call that ends the process. The call is given as text, for example `process.exit(1)`. */
type Guard = (call: string, method: keyof Process) => void
const guards = new Set<Guard>()

/** Exits the process. Our own code uses this, because a guard may refuse `process.exit`. */
export function exitNow(code?: number): never {
  restore()
  // Passing undefined would reset process.exitCode.
  return code === undefined ? ORIGINAL.exit.call(process) : ORIGINAL.exit.call(process, code as never)
}

/**
 * Calls `guard` before each call that ends this process, including calls that send it a signal. Returns a function that
 * removes the guard.
 */
export function guardExit(guard: Guard): () => void {
  guards.add(guard)
  if (guards.size === 1) replace()
  return () => {
    guards.delete(guard)
    if (guards.size === 0) restore()
  }
}

function replace(): void {
  for (const name of Object.keys(ORIGINAL) as (keyof Process)[]) {
    own[name] = (...args) => {
      if (name !== 'kill' || isOwnDeath(args)) for (const guard of guards) guard(textOf(name, args), name)
      return ORIGINAL[name].apply(process, args)
    }
  }
  // For `import { exit } from 'node:process'`.
  syncBuiltinESMExports()
}

/** Signal 0 only checks whether the process exists. 0 and -1 stand for several processes, including this process. */
function isOwnDeath([pid, signal]: readonly unknown[]): boolean {
  return [process.pid, -process.pid, 0, -1].includes(Number(pid)) && signal !== 0
}

function textOf(name: string, args: readonly unknown[]): string {
  return `process.${name}(${args.map((arg) => (arg === process.pid ? 'process.pid' : String(arg))).join(', ')})`
}

function restore(): void {
  if (own.exit === ORIGINAL.exit) return
  Object.assign(own, ORIGINAL)
  syncBuiltinESMExports()
}
