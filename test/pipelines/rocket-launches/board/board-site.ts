import { afterAll, beforeAll } from 'vitest'
import { type Parsed, parseLaunch } from '../../../../pipelines/launches/parse-launch.ts'
import { storePage } from '../../../../pipelines/launches/store-page.ts'
import dag from '../../../../pipelines/rocket-launches/dag.ts'
import { parseSettings } from '../../../../src/config.ts'
import type { Database } from '../../../../src/db/pool.ts'
import { openLog } from '../../../../src/log.ts'
import { openMetadata } from '../../../../src/metadata/metadata.ts'
import { openWeb, type Web } from '../../../../src/web/server.ts'

export interface BoardSite extends Web {
  get(path: string): Promise<Response>
  text(path: string): Promise<string>
}

/** A board for all tests of a file or `describe`: opened before their own hooks that follow, closed after them. */
export function useBoard(
  database: { pool: Database },
  now: () => Date,
  env: Record<string, string> = {},
): Omit<BoardSite, 'close'> {
  let opened: BoardSite | undefined
  const site = () => {
    if (opened === undefined) throw new Error('The board is open from beforeAll to afterAll')
    return opened
  }
  beforeAll(async () => {
    opened = await openBoard(database.pool, now, env)
  })
  afterAll(() => opened?.close())
  return {
    get url() {
      return site().url
    },
    get: (path) => site().get(path),
    text: (path) => site().text(path),
  }
}

/** The web server with the board, on a free port. */
export async function openBoard(
  db: Database,
  now: () => Date,
  env: Record<string, string> = {},
  served = { host: '127.0.0.1', trustProxy: false },
): Promise<BoardSite> {
  const web = await openWeb({
    metadata: openMetadata(db, 'metadata'),
    db,
    loaded: { dags: new Map([[dag.id, dag]]), files: new Map(), importErrors: [] },
    web: { ...served, port: 0 },
    settingsOf: () => parseSettings(env, [dag]).settings.get(dag.id) ?? {},
    now,
    scrub: (text) => text,
    log: openLog({ level: 'silent', format: 'json', scrub: (text) => text }),
  })
  const get = (path: string) => fetch(`${web.url}${path}`)
  return { ...web, get, text: async (path) => await (await get(path)).text() }
}

/** Stores launches like a run that reads the list at this time. */
export async function store(db: Database, received: readonly unknown[], at: Date, version = '2.3.0'): Promise<void> {
  const page: Parsed[] = received.map((launch) => parseLaunch(version as '2.3.0', launch))
  await storePage(db, page, at)
}
