import { openDatabases, type Setup, setUp } from '../app.ts'
import { openWeb } from '../web/server.ts'
import { onStopSignal, type StopSignal } from './signals.ts'

/** `web`: the page alone, until stopped. It executes nothing; what it queues waits for a process that does. */
export async function web(): Promise<number> {
  const setup = await setUp()
  const stopped = new Promise<StopSignal>((resolve) => onStopSignal(resolve))
  const databases = await openDatabases(setup, { create: false })
  try {
    const page = await openWeb({ ...databases, ...webOptions(setup) })
    setup.log.info({ url: page.url }, 'the page is served')
    const signal = await stopped
    setup.log.info(`${signal}: stopping; a second signal ends at once`)
    await page.close()
  } finally {
    await databases.close()
  }
  return 0
}

/** What the page takes from the setup. */
export function webOptions({ config, loaded, settings, clock, scrub, log }: Setup) {
  return {
    loaded,
    web: config.web,
    settingsOf: (dagId: string) => settings.get(dagId) ?? {},
    now: () => clock.now(),
    scrub,
    log,
  }
}
