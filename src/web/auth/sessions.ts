import { createHash, randomBytes } from 'node:crypto'
import type { Metadata } from '../../metadata/metadata.ts'
import type { Role } from '../site.ts'

/** A session ends so long after it began, and so long after it was last used. */
const LONGEST = '30 days'
const IDLE = '3 days'

export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** Begins a session in place of whatever one this browser had: a token from before a login is worth nothing after it. */
export async function beginSession(
  db: Metadata,
  name: string,
  token: string,
  before: string | undefined,
): Promise<void> {
  await db.transaction(async (tx) => {
    if (before !== undefined) await endSession(tx, before)
    await tx.query(
      `delete from metadata.web_session where seen_at < now() - interval '${IDLE}' or created_at < now() - interval '${LONGEST}'`,
    )
    await tx.query('insert into metadata.web_session (token_hash, user_name) values ($1, $2)', [hashToken(token), name])
  })
}

export async function endSession(db: Metadata, token: string): Promise<void> {
  await db.query('delete from metadata.web_session where token_hash = $1', [hashToken(token)])
}

export interface Asker {
  /** Whether there is any user at all. */
  users: boolean
  user_name: string | null
  role: Role | null
}

/** Who comes with this token, and whether anybody needs one. Notes that it was used, once a minute. */
export async function readAsker(db: Metadata, token: string | undefined): Promise<Asker> {
  const { rows } = await db.query<Asker & { old: boolean | null }>({
    name: 'read_asker',
    text: `select exists (select from metadata.web_user) as users, s.user_name, s.role, s.old
      from (values (1)) one left join (
        select user_name, role, seen_at < now() - interval '1 minute' as old
        from metadata.web_session join metadata.web_user using (user_name)
        where token_hash = $1 and seen_at > now() - interval '${IDLE}'
          and web_session.created_at > now() - interval '${LONGEST}') s on true`,
    values: [token === undefined ? null : hashToken(token)],
  })
  const [asker] = rows
  if (token !== undefined && asker?.old) {
    await db.query('update metadata.web_session set seen_at = now() where token_hash = $1', [hashToken(token)])
  }
  return asker ?? { users: true, user_name: null, role: null }
}
