import { openClock } from '../clock.ts'
import type { CommandHost } from '../commands.ts'
import { type Environment, parseSettings } from '../config.ts'
import { type Http, openHttp } from '../connectors/http.ts'
import type { Dag } from '../dag/dag.ts'
import { openDatabase } from '../databases.ts'
import { openLog } from '../log.ts'
import { exitNow } from '../process-exit.ts'
import { scrubber } from '../secrets.ts'
import { VERSION } from '../version.ts'
import { outputOption } from './output-option.ts'
import { EXIT_OF, onStopSignal } from './signals.ts'
import { fields, print, printJson, say, table } from './terminal/table.ts'

/** Time limit for a verb to end after Ctrl-C. */
const GRACE_MS = 2_000

/** Creates the host of a dag's verbs. It parses settings and opens the database only when a verb needs them. */
export function openCommandHost(
  dag: Dag,
  env: Environment,
  { signal, done }: Pick<CommandHost, 'signal' | 'done'>,
): CommandHost {
  const config = once(() => parseSettings(env, []).config)
  const clock = once(() => openClock(config().clock))
  return {
    settings: once(() => parseSettings(env, [dag]).settings.get(dag.id) ?? {}),
    now: () => clock().now(),
    signal,
    http: boundedHttp(signal),
    withDatabase: async (work) => {
      const log = openLog({ ...config().log, scrub: scrubber(env, [dag]), to: process.stderr })
      const { db, close } = await openDatabase({ config: config(), log })
      return await work(db).finally(close)
    },
    outputOption,
    print: say,
    printJson,
    table: (header, rows, options) => print(table(header, rows, options)),
    fields: (given) => print(fields(given)),
    write: async (text) => !signal.aborted && (await writeToOutput(text)),
    done,
  }
}

/** Aborts at the first Ctrl-C or SIGTERM. The process then ends within two seconds, with that signal's exit code. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController()
  onStopSignal((signal) => {
    process.once('exit', () => {
      process.exitCode = EXIT_OF[signal]
    })
    setTimeout(() => exitNow(EXIT_OF[signal]), GRACE_MS).unref()
    controller.abort()
  })
  return controller.signal
}

/** Closes its connections after each request, because an open connection would keep the process alive. */
function boundedHttp(signal: AbortSignal): Http {
  const using = async <T>(work: (http: Http) => Promise<T>): Promise<T> => {
    const http = openHttp({ userAgent: `tminus/${VERSION}`, signal })
    return await work(http).finally(() => http.close())
  }
  return {
    get: (url, options) => using((http) => http.get(url, options)),
    getJson: (url, options) => using((http) => http.getJson(url, options)),
    post: (url, body, options) => using((http) => http.post(url, body, options)),
    postJson: (url, body, options) => using((http) => http.postJson(url, body, options)),
    request: (method, url, options) => using((http) => http.request(method, url, options)),
  }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** Returns false if the reader has closed the pipe. main.ts handles every other failure: it ends the process. */
async function writeToOutput(text: string): Promise<boolean> {
  return await new Promise((resolve) => process.stdout.write(text, (error) => resolve(!error)))
}
