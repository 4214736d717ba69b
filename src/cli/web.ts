import { openDatabases, setUp } from '../app.ts'
import { openWeb } from '../web/server.ts'
import { onStopSignal, type StopSignal } from './signals.ts'
import { metricsOf, probesOf } from './watch.ts'
import { webOptions } from './web-options.ts'

/** `web`: the page alone, until stopped. It executes nothing; what it queues waits for a process that does. */
export async function web(): Promise<number> {
  const setup = await setUp()
  const stopped = new Promise<StopSignal>((resolve) => onStopSignal(resolve))
  const databases = await openDatabases(setup, { create: false })
  try {
    const metrics = await metricsOf(setup, databases, () => undefined)
    const routes = probesOf(databases, metrics)
    const page = await openWeb({ ...databases, ...webOptions(setup), mount: (app) => void app.route('/', routes) })
    setup.log.info(`the page is at ${page.url}`)
    const signal = await stopped
    setup.log.info(`${signal}: stopping; a second signal ends at once`)
    await page.close()
  } finally {
    await databases.close()
  }
  return 0
}
