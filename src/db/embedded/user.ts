import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Whom the server runs as when we are root, which PostgreSQL refuses to be. */
export interface ServerUser {
  uid: number
  gid: number
}

const NOBODY: ServerUser = { uid: 65534, gid: 65534 }

/**
 * Whom to run the server of a new `folder` as: undefined means ourselves. Root hands over to the owner of the nearest
 * folder, this one or above, that is another user's; to `nobody` where all are root's. The folder need not exist.
 */
export function serverUser(folder: string): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const accounts = readAccounts()
  return nearestOwner(folder, accounts) ?? accounts.find((account) => account.name === 'nobody') ?? NOBODY
}

/** Not a user /etc/passwd does not know: initdb refuses to run without a name. */
function nearestOwner(folder: string, accounts: ServerUser[]): ServerUser | undefined {
  const stats = statSync(folder, { throwIfNoEntry: false })
  if (stats !== undefined && stats.uid !== 0 && accounts.some((account) => account.uid === stats.uid)) {
    return { uid: stats.uid, gid: stats.gid }
  }
  const parent = dirname(folder)
  return parent === folder ? undefined : nearestOwner(parent, accounts)
}

function readAccounts(): (ServerUser & { name: string })[] {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  return lines.flatMap((line) => {
    const [name, , uid, gid] = line.split(':')
    // macOS writes nobody as -2, and reports it as 4294967294 elsewhere.
    return name && uid && gid ? [{ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }] : []
  })
}

export function ownerOf(path: string): ServerUser {
  const { uid, gid } = statSync(path)
  return { uid, gid }
}

/** As `spawn` wants it: a signed number. Node drops root's further groups by itself. */
export function runAs(user: ServerUser | undefined): { uid?: number; gid?: number } {
  return user === undefined ? {} : { uid: user.uid | 0, gid: user.gid | 0 }
}

/**
 * What keeps `user` from the existing `path`: the file or the folder on the way that is closed to that user. Judged by
 * mode bits, for we are root and could go anywhere ourselves. For ourselves the call that follows will tell.
 */
export function closedTo(path: string, user: ServerUser | undefined): string | undefined {
  if (user === undefined) return undefined
  const parent = dirname(path)
  const above = parent === path ? undefined : closedTo(parent, user)
  return above ?? (mayPass(path, user) ? undefined : path)
}

function mayPass(path: string, user: ServerUser): boolean {
  const { uid, gid, mode } = statSync(path)
  if (uid === user.uid) return (mode & 0o100) !== 0
  if (gid === user.gid) return (mode & 0o010) !== 0
  return (mode & 0o001) !== 0
}
