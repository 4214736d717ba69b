/** For a pipeline's own page (`board`); src/web/README.md has an example. */
export { Hono } from 'hono'
export { accepts } from 'hono/accepts'
export { etag } from 'hono/etag'
export { html } from 'hono/html'
export { type Child, createContext, useContext } from 'hono/jsx'
export { assetUrl, joinStyles } from './assets.ts'
export { AttentionNotice } from './attention.tsx'
export { type DagActivity, readActivity } from './dag-activity.ts'
export { Page, type PageProps } from './layout.tsx'
export {
  Duration,
  Empty,
  type Fact,
  Facts,
  Notice,
  OutLink,
  Scroll,
  StateMark,
  safeHref,
  Table,
  Time,
} from './parts.tsx'
export { badRequest, notFound, unavailable } from './problem.tsx'
export { hasRole, requireRole } from './rights.ts'
export { allowVideos } from './security.ts'
export { originOf, type Share } from './share.tsx'
export type { Board, WebContext, WebEnv } from './site.ts'
