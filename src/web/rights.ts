import type { MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { ROLES, type Role, type Viewer, type WebContext, type WebEnv } from './site.ts'

/** True if the viewer has this role or a higher role. */
export function hasRole(c: WebContext, role: Role): boolean {
  return ROLES.indexOf((c.var.viewer as Viewer).role) >= ROLES.indexOf(role)
}

/** Answers 403 unless the viewer has this role or a higher role. */
export function requireRole(role: Role): MiddlewareHandler<WebEnv> {
  return async (c, next) => {
    if (!hasRole(c, role))
      throw new HTTPException(403, { message: `This needs the role ${role}; your role is ${c.var.viewer.role}.` })
    await next()
  }
}
