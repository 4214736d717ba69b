import { syncBuiltinESMExports } from 'node:module'

type Process = Record<'exit' | 'reallyExit' | 'abort', (code?: number) => never>

const own = process as unknown as Process
const ORIGINAL: Process = { exit: own.exit, reallyExit: own.reallyExit, abort: own.abort }

/** Ends this process. For our own code: `process.exit` itself is refused while a pipeline is being loaded. */
export function exitNow(code?: number): never {
  allowExit()
  // An argument that is undefined would reset process.exitCode.
  return code === undefined ? ORIGINAL.exit.call(process) : ORIGINAL.exit.call(process, code)
}

/** Until `allowExit`, `process.exit` and its kin call this instead, whose job is to throw. */
export function refuseExit(refuse: (call: string) => never): void {
  for (const name of Object.keys(ORIGINAL) as (keyof Process)[])
    own[name] = (code) => refuse(`process.${name}(${code ?? ''})`)
  // For `import { exit } from 'node:process'`.
  syncBuiltinESMExports()
}

export function allowExit(): void {
  if (own.exit === ORIGINAL.exit) return
  Object.assign(own, ORIGINAL)
  syncBuiltinESMExports()
}
