import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Dag } from '../dag/dag.ts'
import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { Live } from './live/live.ts'

/** What a person may do; each may what the one before it may. The table of rights is in docs/web.md. */
export const ROLES = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** Who asks. */
export interface Viewer {
  /** Null where nobody needs to sign in. */
  name: string | null
  role: Role
}

/** What every page is made from; one a process. */
export interface Site {
  metadata: Metadata
  /** The launches' database, for boards. */
  db: Database
  dags: ReadonlyMap<string, Dag>
  /** Folders of PIPELINES_DIR whose dag could not be loaded. */
  importErrors: readonly { folder: string; message: string }[]
  /** The file each dag was read from. */
  files: ReadonlyMap<string, string>
  settingsOf(dagId: string): Record<string, unknown>
  /** Follows `CLOCK`. */
  now(): Date
  /** Takes secrets out of what others wrote. */
  scrub(text: string): string
  log: Logger
  live: Live
  /** The mark of something that can be followed, for the page that shows it; read it before what it stands for. */
  markOf(kind: string, key: string): Promise<string>
  /** Reached from this machine only: without users nobody needs to sign in. */
  loopback: boolean
  trustProxy: boolean
  /** Dags with a page of their own, in the order of their folders. */
  boards: readonly BoardLink[]
  /** Answered also to whoever comes with a token for calendars. */
  calendars: readonly CalendarLink[]
}

export interface BoardLink {
  dagId: string
  /** Where it is mounted, without a slash at its end: '' for the first, '/<dag_id>' for the others. */
  base: string
}

export interface CalendarLink {
  path: string
  /** The same by the id of its dag. */
  also: string
}

/** What a board finds in `c.var.board`. */
export interface Board<Settings = Record<string, unknown>> extends BoardLink {
  settings: Settings
  db: Database
  now(): Date
}

/** The types of a Hono app within this site: `new Hono<WebEnv>()`. */
export interface WebEnv<Settings = Record<string, unknown>> {
  Bindings: HttpBindings
  Variables: { site: Site; viewer: Viewer; board: Board<Settings>; nav: string }
}

// biome-ignore lint/suspicious/noExplicitAny: pages are drawn for every path and input
export type WebContext = Context<any, any, any>
