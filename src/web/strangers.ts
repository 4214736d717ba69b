import { commandFor } from '../command-for.ts'
import { UsageError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { hasUsers } from './auth/users.ts'
import { isLoopback } from './host.ts'

/** True if only this machine can reach the page. */
export function isForThisMachine({ host, trustProxy }: { host: string; trustProxy: boolean }): boolean {
  return isLoopback(host) && !trustProxy
}

/** Throws UsageError if other machines can reach the page and there is no user. */
export async function requireUser(metadata: Metadata, web: { host: string; trustProxy: boolean }): Promise<void> {
  if (isForThisMachine(web) || (await hasUsers(metadata))) return
  const why = web.trustProxy ? 'behind a proxy (TRUST_PROXY)' : `on ${web.host}`
  const setting = web.trustProxy ? 'TRUST_PROXY' : 'WEB_HOST'
  throw new UsageError(
    `The web page ${why} needs a user first: ${commandFor('users create NAME --role admin', { beforeStart: true })} (or set ADMIN_USER and ADMIN_PASSWORD, so that db migrate creates one, or unset ${setting})`,
    { code: 'web_no_user' },
  )
}
