import { commandFor } from '../command-for.ts'
import { UsageError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { hasUsers } from './auth/users.ts'
import { isLoopback } from './host.ts'

/** Whether only this machine can reach the page. */
export function isForThisMachine({ host, trustProxy }: { host: string; trustProxy: boolean }): boolean {
  return isLoopback(host) && !trustProxy
}

/** Where others than this machine can reach the page, there must be a user to sign in as. Throws UsageError. */
export async function refuseStrangers(metadata: Metadata, web: { host: string; trustProxy: boolean }): Promise<void> {
  if (isForThisMachine(web) || (await hasUsers(metadata))) return
  const why = web.trustProxy ? 'behind a proxy (TRUST_PROXY)' : `on ${web.host}`
  const setting = web.trustProxy ? 'TRUST_PROXY' : 'WEB_HOST'
  throw new UsageError(
    `The web page ${why} needs a user first: ${commandFor('users create NAME --role admin', { beforeStart: true })} (or set ADMIN_USER and ADMIN_PASSWORD, which db migrate makes one of, or unset ${setting})`,
    { code: 'web_no_user' },
  )
}
