import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** The user that runs the server if this process is root: PostgreSQL refuses to run as root. */
export interface ServerUser {
  uid: number
  gid: number
}

const NOBODY: ServerUser = { uid: 65534, gid: 65534 }

/**
 * The user that runs the server of a new `folder`; undefined: the user of this process. For root: the owner of the
 * nearest folder (this one or a parent) that does not belong to root, else `nobody`. The folder need not exist.
 */
export function serverUser(folder: string): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const accounts = readAccounts()
  return nearestOwner(folder, accounts) ?? accounts.find((account) => account.name === 'nobody') ?? NOBODY
}

/** Skips users that are not in /etc/passwd: initdb refuses to run without a user name. */
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
    // macOS lists nobody as -2 here and as 4294967294 elsewhere.
    return name && uid && gid ? [{ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }] : []
  })
}

export function ownerOf(path: string): ServerUser {
  const { uid, gid } = statSync(path)
  return { uid, gid }
}

/** Options for `spawn`, which expects signed numbers. Node itself drops root's other groups. */
export function runAs(user: ServerUser | undefined): { uid?: number; gid?: number } {
  return user === undefined ? {} : { uid: user.uid | 0, gid: user.gid | 0 }
}

/**
 * The first part of the existing `path` (a file or folder) that `user` may not enter; undefined if there is none. Reads
 * the mode bits, because this process is root and can enter every folder. Without `user`, the next system call shows
 * whether access is possible.
 */
export function closedTo(path: string, user: ServerUser | undefined): string | undefined {
  if (user === undefined) return undefined
  const parent = dirname(path)
  const above = parent === path ? undefined : closedTo(parent, user)
  return above ?? (mayEnter(path, user) ? undefined : path)
}

function mayEnter(path: string, user: ServerUser): boolean {
  const { uid, gid, mode } = statSync(path)
  if (uid === user.uid) return (mode & 0o100) !== 0
  if (gid === user.gid) return (mode & 0o010) !== 0
  return (mode & 0o001) !== 0
}
