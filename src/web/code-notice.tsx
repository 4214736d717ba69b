/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { MiddlewareHandler } from 'hono'
import { Notice } from './parts.tsx'
import type { WebContext, WebEnv } from './site.ts'

/** Reads the notice for requests of whole pages. */
export const readCodeNotice: MiddlewareHandler<WebEnv> = async (c, next) => {
  if (c.req.method === 'GET' && c.req.header('accept')?.includes('text/html')) {
    const notice = await c.var.site.codeNotice?.()
    if (notice !== undefined) c.set('codeNotice', notice)
  }
  await next()
}

/** Says above each page that the processes run other code than the folder contains. */
export function CodeNotice({ c }: { c: WebContext }) {
  const { codeNotice, viewer, site } = c.var as Partial<WebEnv['Variables']>
  if (codeNotice === undefined || viewer === undefined || site === undefined) return null
  return <Notice kind="bad">{site.scrub(codeNotice)}</Notice>
}
