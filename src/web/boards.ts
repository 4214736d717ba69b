import { Hono } from 'hono'
import type { Dag } from '../dag/dag.ts'
import { TminusError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { allowPictures } from './security.ts'
import type { Board, BoardLink, Site, WebEnv } from './site.ts'

export interface LoadedBoard extends BoardLink {
  app: Hono<WebEnv>
}

/** Imports the boards of the dags, in their order; one that cannot be loaded is logged and left out. */
export async function loadBoards(dags: Iterable<Dag>, log: Logger): Promise<LoadedBoard[]> {
  const found: { dagId: string; app: Hono<WebEnv> }[] = []
  for (const dag of dags) {
    try {
      const app = await dag.board?.()
      if (app !== undefined) found.push({ dagId: dag.id, app: appOf(app) })
    } catch (error) {
      log.error({ err: error, dag_id: dag.id }, 'the board of a dag could not be loaded')
    }
  }
  return found.map(({ dagId, app }, index) => ({ dagId, app, base: index === 0 ? '' : `/${dagId}` }))
}

function appOf(module: unknown): Hono<WebEnv> {
  const app = (module as { default?: unknown }).default
  if (app instanceof Hono || (typeof app === 'object' && app !== null && 'routes' in app)) return app as Hono<WebEnv>
  throw new TminusError("its default export is no board; write `export default new Hono<WebEnv>().get('/', …)`", {
    code: 'board_invalid',
    retryable: false,
  })
}

/** Each under its dag's id; the first also at the root, where its links lead. */
export function mountBoards(app: Hono<WebEnv>, boards: readonly LoadedBoard[], site: Site): void {
  for (const { dagId, base, app: board } of boards) {
    const given: Board = { dagId, base, settings: site.settingsOf(dagId), db: site.db, now: site.now }
    const own = new Hono<WebEnv>().use(async (c, next) => {
      c.set('board', given)
      allowPictures(c)
      await next()
    })
    own.route('/', board)
    app.route(`/${dagId}`, own)
    if (base === '') app.route('/', own)
  }
}
