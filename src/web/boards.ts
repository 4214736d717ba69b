import { Hono } from 'hono'
import { runAs } from '../blame.ts'
import type { Dag } from '../dag/dag.ts'
import { TminusError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { allowPictures } from './security.ts'
import type { Board, BoardLink, CalendarLink, Site, WebEnv } from './site.ts'

export interface LoadedBoard extends BoardLink {
  app: Hono<WebEnv>
  /** The board's paths that return calendars, from the export `calendars` of its module. */
  calendars: readonly string[]
}

/** Imports the dags' boards, in the order of the dags. Logs and skips a board that cannot be loaded. */
export async function loadBoards(dags: Iterable<Dag>, log: Logger): Promise<LoadedBoard[]> {
  const found: Omit<LoadedBoard, 'base'>[] = []
  for (const dag of dags) {
    try {
      const module = await dag.board?.()
      if (module !== undefined) found.push({ dagId: dag.id, app: appOf(module), calendars: calendarsOf(module) })
    } catch (error) {
      log.error({ err: error, dag_id: dag.id }, 'the board of a dag could not be loaded')
    }
  }
  return found.map((board, index) => ({ ...board, base: index === 0 ? '' : `/${board.dagId}` }))
}

function appOf(module: unknown): Hono<WebEnv> {
  const app = (module as { default?: unknown }).default
  if (app instanceof Hono || (typeof app === 'object' && app !== null && 'routes' in app)) return app as Hono<WebEnv>
  throw new TminusError("its default export is not a board; write `export default new Hono<WebEnv>().get('/', …)`", {
    code: 'board_invalid',
    retryable: false,
  })
}

function calendarsOf(module: unknown): readonly string[] {
  const { calendars = [] } = module as { calendars?: unknown }
  if (Array.isArray(calendars) && calendars.every((path) => /^\/[\w-]+\.(ics|atom)$/.test(path))) return calendars
  throw new TminusError(
    "its `calendars` is not a list of .ics or .atom paths; write `export const calendars = ['/launches.ics']`",
    { code: 'board_invalid', retryable: false },
  )
}

export function calendarsOn(boards: readonly LoadedBoard[]): CalendarLink[] {
  return boards.flatMap(({ base, dagId, calendars }) =>
    calendars.map((path) => ({ path: `${base}${path}`, also: `/${dagId}${path}` })),
  )
}

/**
 * Mounts each board under its dag's id. Also mounts the first board at the root; the links of this board point to the
 * root.
 */
export function mountBoards(app: Hono<WebEnv>, boards: readonly LoadedBoard[], site: Site): void {
  for (const { dagId, base, app: board } of boards) {
    const context: Board = { dagId, base, settings: site.settingsOf(dagId), db: site.db, now: site.now }
    const own = new Hono<WebEnv>().use(async (c, next) => {
      c.set('board', context)
      allowPictures(c)
      await runAs({ dagId, part: 'board' }, next)
    })
    own.route('/', board)
    app.route(`/${dagId}`, own)
    if (base === '') app.route('/', own)
  }
}
