import { hostname } from 'node:os'
import type { Setup } from '../app.ts'
import { codeVersion } from '../code-version.ts'
import { listExecuting, nameOf } from '../maintenance/alive.ts'
import type { Metadata } from '../metadata/metadata.ts'

/** A folder that takes longer to read is not compared. */
const READ_WITHIN_MS = 1_000

/**
 * Names the live processes of this machine that have loaded other code than PIPELINES_DIR contains now. Undefined if there
 * are none, or if that is unknown.
 */
export async function staleCode(metadata: Metadata, { config }: Pick<Setup, 'config'>): Promise<string | undefined> {
  const jobs = await listExecuting(metadata, { kinds: ['start', 'scheduler', 'worker'], hostname: hostname() })
  const known = jobs.filter(({ code_version }) => code_version !== null)
  if (known.length === 0) return undefined
  const version = await codeVersion(config.pipelinesDir, READ_WITHIN_MS)
  const stale = known.filter(({ code_version }) => version !== null && code_version !== version)
  if (stale.length === 0) return undefined
  const has = stale.length === 1 ? 'has' : 'have'
  const restart = `Restart ${stale.length === 1 ? 'it' : 'them'}, or use WATCH=on, which reloads changed code`
  return `Not all processes run the current code: ${stale.map(nameOf).join(' and ')} ${has} loaded other code than ${config.pipelinesDir} contains now. ${restart}. If that fails, the log says why`
}

/** At most one check in this time, however many pages are shown. */
const CHECKED_FOR_MS = 5_000

/** For the pages: the sentence of `staleCode`, or why a process with WATCH=on does not load the changed code. */
export function codeNotice(
  metadata: Metadata,
  setup: Setup,
  parent?: { problem: string | undefined },
): () => Promise<string | undefined> {
  let checkedAt = Number.NEGATIVE_INFINITY
  let checking: Promise<string | undefined> | undefined
  const check = async () => {
    // With a parent, an older version only means that a new process is about to take over.
    if (parent) return parent.problem && `The changed pipelines are not loaded, so the old ones stay: ${parent.problem}`
    return await staleCode(metadata, setup).catch(() => undefined)
  }
  return async () => {
    if (parent) return await check()
    if (performance.now() - checkedAt < CHECKED_FOR_MS) return await checking
    checkedAt = performance.now()
    checking = check()
    return await checking
  }
}
