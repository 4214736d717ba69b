import type { MiddlewareHandler } from 'hono'
import { visibleText } from '../visible-text.ts'
import type { WebEnv } from './site.ts'

/**
 * Makes invisible characters visible in every page: in texts between tags and in attributes that are shown or read out.
 * Addresses and form values stay unchanged, because the browser sends them back. Answers for programs also stay
 * unchanged.
 */
export const visiblePages: MiddlewareHandler<WebEnv> = async (c, next) => {
  await next()
  if (!c.res.headers.get('content-type')?.startsWith('text/html')) return
  const html = await c.res.text()
  c.res = new Response(
    html.replaceAll(SHOWN, (part) => (part.startsWith('<') ? part : visibleText(part))),
    c.res,
  )
}

/** Values contain `<` and `>` only as entities, so a tag ends at its first `>`. */
const SHOWN =
  /<textarea[^>]*>[^<]*|>[^<]+|\s(?:title|alt|content|label|placeholder|aria-label|aria-description)="[^"]*"/g
