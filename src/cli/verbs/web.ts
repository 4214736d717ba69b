import { type Environment, parseSettings, readEnvironment } from '../../config.ts'
import { type Door, openDoor } from '../../web/door.ts'
import { onStopSignal, type StopSignal } from '../signals.ts'

/**
 * `web`: the page alone, until stopped. It executes nothing; what it queues waits for a process that does.
 *
 * It listens first and loads the page then: who asks meanwhile is answered once it is there.
 */
export async function web(): Promise<number> {
  const stopped = new Promise<StopSignal>((resolve) => onStopSignal(resolve))
  const env = readEnvironment()
  const door = listenBy(env)
  try {
    const { page } = await import('./page.ts')
    return await page(env, door, stopped)
  } finally {
    await door?.close()
  }
}

/** Not where a setting is wrong: the page refuses to start, and names it together with those of the pipelines. */
function listenBy(env: Environment): Door | undefined {
  try {
    return openDoor(parseSettings(env, []).config.web)
  } catch {
    return undefined
  }
}
