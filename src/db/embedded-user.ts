import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Whom the server runs as when we are root, which PostgreSQL refuses to be. */
export interface ServerUser {
  uid: number
  gid: number
}

const NOBODY: ServerUser = { uid: 65534, gid: 65534 }

/**
 * Whom to run the server of `folder` as: undefined means ourselves. Root hands over to the owner of the folder (of
 * the nearest one above it, where it does not exist), and to `nobody` where that is root or unknown to /etc/passwd:
 * initdb refuses a user without a name.
 */
export function serverUser(folder: string): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const accounts = readAccounts()
  const owner = ownerOf(folder)
  if (owner.uid !== 0 && accounts.some((account) => account.uid === owner.uid)) return owner
  return accounts.find((account) => account.name === 'nobody') ?? NOBODY
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
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats !== undefined) return { uid: stats.uid, gid: stats.gid }
  return ownerOf(dirname(path))
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
