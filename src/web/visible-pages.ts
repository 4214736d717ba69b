import type { MiddlewareHandler } from 'hono'
import { visibleText } from '../visible-text.ts'
import type { WebEnv } from './site.ts'

/**
 * What a page shows is made visible in one place, whoever wrote it: texts between tags, and those attributes that are
 * read. What comes back stays as it is: addresses, the values of a form. So do answers for programs.
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

/** `<` and `>` of a value are written as entities, so a tag ends where it seems to. */
const SHOWN =
  /<textarea[^>]*>[^<]*|>[^<]+|\s(?:title|alt|content|label|placeholder|aria-label|aria-description)="[^"]*"/g
