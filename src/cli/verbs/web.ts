import { type Environment, parseSettings, readEnvironment } from '../../config.ts'
import { type Door, openDoor } from '../../web/door.ts'
import { onStopSignal, type StopSignal } from '../signals.ts'

/** Time limit to finish answers and to close the database. */
const CLOSE_MS = 15_000

/**
 * `web`: serves the page until a signal arrives. This process executes no runs. Another process must execute the runs
 * that the page queues.
 *
 * It listens before it loads the page. Requests that arrive in this time wait until the page is ready.
 */
export async function web(): Promise<number> {
  const stopped = new Promise<StopSignal>((resolve) => onStopSignal(resolve, CLOSE_MS))
  const env = readEnvironment()
  const door = listenBy(env)
  try {
    const { page } = await import('./page.ts')
    return await page(env, door, stopped)
  } finally {
    await door?.close()
  }
}

/** Undefined if a setting is wrong. `page` then throws an error that names all wrong settings, also those of dags. */
function listenBy(env: Environment): Door | undefined {
  try {
    return openDoor(parseSettings(env, []).config.web)
  } catch {
    return undefined
  }
}
