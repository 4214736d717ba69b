import { type Environment, parseSettings, readEnvironment } from '../../config.ts'
import { EXIT_OF, type StopSignal } from '../signals.ts'
import { Parent, REPLACED } from './parent.ts'

export interface ReloadOptions {
  /** True: as with WATCH=on. */
  watch?: boolean
  /** True in a child process of `supervise`. */
  supervised?: boolean
}

/**
 * Calls `run` in this process. With WATCH=on it calls `run` in a child process instead, which it replaces when the code of
 * the pipelines changes. Returns the exit code.
 */
export async function reloading(
  verb: string,
  { watch = false, supervised = false }: ReloadOptions,
  run: (parent: Parent | undefined) => Promise<number>,
): Promise<number> {
  if (supervised && process.connected) {
    const parent = new Parent()
    return await run(parent).finally(() => parent.close())
  }
  const pipelinesDir = watchedFolder({ ...readEnvironment(), ...(watch && { WATCH: 'on' }) })
  if (pipelinesDir === undefined) return await run(undefined)
  return await (await import('./supervise.ts')).supervise(verb, pipelinesDir)
}

/** Undefined also if a setting is wrong: `run` reports all wrong settings. */
function watchedFolder(env: Environment): string | undefined {
  try {
    const { config } = parseSettings(env, [])
    return config.reload ? config.pipelinesDir : undefined
  } catch {
    return undefined
  }
}

/** Why a process stops. */
type Stop = StopSignal | typeof REPLACED

export function stopWords(why: Stop): string {
  if (why !== REPLACED) return `${why}: stopping; a second signal ends at once`
  return 'the pipelines have changed: a new process takes over, and this one finishes its running tasks'
}

/** Is stored with the job and with the tries that it releases. */
export function reasonOf(why: Stop): string {
  return why === REPLACED ? 'the pipelines have changed' : why
}

export function exitCodeOf(why: Stop): number {
  return why === REPLACED ? 0 : EXIT_OF[why]
}
