import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Dag } from '../dag/dag.ts'
import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { Attention } from './attention.tsx'
import type { Live } from './live/live.ts'

/** Each role also has the rights of the role before it. The table of rights is in docs/web.md. */
export const ROLES = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** The user who sends the request. */
export interface Viewer {
  /** Null on a site without users. */
  name: string | null
  role: Role
}

/** The objects that every page needs. Each process has one. */
export interface Site {
  metadata: Metadata
  /** The launches' database, for boards. */
  db: Database
  dags: ReadonlyMap<string, Dag>
  /** Folders of PIPELINES_DIR whose dag could not be loaded. */
  importErrors: readonly { folder: string; message: string }[]
  /** The file of each dag. */
  files: ReadonlyMap<string, string>
  settingsOf(dagId: string): Record<string, unknown>
  /** Follows `CLOCK`. */
  now(): Date
  /** Removes secrets from a text. */
  scrub(text: string): string
  log: Logger
  /** Says that the processes run other code than PIPELINES_DIR contains now; undefined if they do not. */
  codeNotice?: (() => Promise<string | undefined>) | undefined
  live: Live
  /** The current mark of live data. A page must read the mark before it reads the data. */
  markOf(kind: string, key: string): Promise<string>
  /** True if only this machine can reach the page. If so, a site without users needs no sign-in. */
  loopback: boolean
  trustProxy: boolean
  /** Dags with a page of their own, in the order of their folders. */
  boards: readonly BoardLink[]
  /** Paths that a calendar token grants. */
  calendars: readonly CalendarLink[]
}

export interface BoardLink {
  dagId: string
  /** The path of the board without a trailing slash: '' for the first board, '/<dag_id>' for the others. */
  base: string
}

export interface CalendarLink {
  path: string
  /** The same calendar below its dag's id. */
  also: string
}

/** `c.var.board` of a board's handlers. */
export interface Board<Settings = Record<string, unknown>> extends BoardLink {
  settings: Settings
  db: Database
  now(): Date
}

/** The types of a Hono app within this site: `new Hono<WebEnv>()`. */
export interface WebEnv<Settings = Record<string, unknown>> {
  Bindings: HttpBindings
  Variables: {
    site: Site
    viewer: Viewer
    board: Board<Settings>
    nav: string
    codeNotice?: string
    attention?: Attention
  }
}

// biome-ignore lint/suspicious/noExplicitAny: pages are drawn for every path and input
export type WebContext = Context<any, any, any>
