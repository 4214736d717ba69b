import { syncBuiltinESMExports } from 'node:module'

type Process = Record<'exit' | 'reallyExit' | 'abort', (code?: number) => never>

const own = process as unknown as Process
const ORIGINAL: Process = { exit: own.exit, reallyExit: own.reallyExit, abort: own.abort }

/** Exits the process. Our own code uses this, because `process.exit` is blocked while a pipeline is loading. */
export function exitNow(code?: number): never {
  allowExit()
  // Passing undefined would reset process.exitCode.
  return code === undefined ? ORIGINAL.exit.call(process) : ORIGINAL.exit.call(process, code)
}

/** Replaces `process.exit`, `reallyExit` and `abort` by `refuse`, which throws, until `allowExit` is called. */
export function refuseExit(refuse: (call: string) => never): void {
  for (const name of Object.keys(ORIGINAL) as (keyof Process)[])
    own[name] = (code) => refuse(`process.${name}(${code ?? ''})`)
  // This also updates `import { exit } from 'node:process'`.
  syncBuiltinESMExports()
}

export function allowExit(): void {
  if (own.exit === ORIGINAL.exit) return
  Object.assign(own, ORIGINAL)
  syncBuiltinESMExports()
}
