import { setTimeout as delay } from 'node:timers/promises'
import { codeVersion } from '../../code-version.ts'

/** The pause between two reads of the folder. */
const PAUSE_MS = 400
/** The pause is at least this many times as long as a read, so that a large folder costs little. */
const PAUSE_PER_READ = 20

/**
 * Calls `onChange` when the code version of the folder is another one than before, and has stayed the same for one pause:
 * an editor or git may write several files. Saving a file without a change is none. Returns after the first read.
 *
 * It reads the files instead of waiting for events of the file system. Events get lost when an editor replaces a file, and
 * there are none in many mounted folders (containers, network).
 */
export async function watchCode(pipelinesDir: string, onChange: () => void, signal: AbortSignal): Promise<void> {
  let known = await codeVersion(pipelinesDir)
  const watch = async () => {
    let last = known
    let pauseMs = PAUSE_MS
    while (!signal.aborted) {
      await delay(pauseMs, undefined, { signal }).catch(() => {})
      const begun = performance.now()
      const version = await codeVersion(pipelinesDir)
      pauseMs = Math.max(PAUSE_MS, PAUSE_PER_READ * (performance.now() - begun))
      const isSettled = version !== null && version === last
      last = version
      if (!isSettled || version === known || signal.aborted) continue
      known = version
      onChange()
    }
  }
  void watch()
}
