import { setUp } from '../../app.ts'
import type { Environment } from '../../config.ts'
import { openDatabases } from '../../databases.ts'
import type { Door } from '../../web/door.ts'
import { openWeb, type WebOptions } from '../../web/server.ts'
import { pageWords } from '../page-words.ts'
import { settingsWarnings } from '../settings-warnings.ts'
import { EXIT_OF, type StopSignal } from '../signals.ts'
import { codeNotice } from '../stale-code.ts'
import { metricsOf, probesOf } from '../watch.ts'
import { webOptions } from '../web-options.ts'

/** Serves the page on this open port until a signal arrives. */
export async function page(env: Environment, door: Door | undefined, stopped: Promise<StopSignal>): Promise<number> {
  const setup = await setUp({ env })
  for (const message of settingsWarnings(setup)) setup.log.warn(message)
  const databases = await openDatabases(setup, { create: false })
  try {
    const metrics = await metricsOf(setup, databases, () => undefined)
    const routes = probesOf(databases, metrics)
    const mount: WebOptions['mount'] = (app) => void app.route('/', routes)
    const notice = codeNotice(databases.metadata, setup)
    const served = await openWeb({ ...databases, ...webOptions(setup), codeNotice: notice, mount, door })
    const early = await Promise.race([stopped, undefined])
    if (early === undefined) setup.log.info(pageWords(served.url, setup.config.web.host))
    const signal = await stopped
    setup.log.info(`${signal}: stopping; a second signal ends at once`)
    await served.close()
    // If the signal came early, returns the exit code that a process without a handler would have.
    return early === undefined ? 0 : EXIT_OF[early]
  } finally {
    await databases.close()
  }
}
