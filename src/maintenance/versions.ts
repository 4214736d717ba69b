import type { Check } from '../commands.ts'
import { TminusError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { JobListing } from '../operations/list-jobs.ts'
import type { JobKind } from '../processes/jobs.ts'
import { minorsAhead, VERSION } from '../version.ts'
import { listExecuting, nameOf } from './alive.ts'

/** The kinds of process that change runs. The page is not among them: it has no job. */
const KINDS: readonly JobKind[] = ['start', 'scheduler', 'worker', 'pipeline']

type Process = Pick<JobListing, 'kind' | 'pid' | 'hostname' | 'tminus_version'>

/**
 * Throws `version_gap` if a live process runs a version that is more than one minor version away from this one. Call
 * this before a migration, which may remove what such a process needs.
 */
export async function refuseVersionGap(db: Metadata, own = VERSION): Promise<void> {
  if (!(await recordsVersions(db))) return
  const [first] = (await listExecuting(db, { kinds: KINDS })).filter(({ tminus_version }) => isFar(tminus_version, own))
  if (first === undefined) return
  const { tminus_version: other, job_id, kind } = first
  const isOlder = other !== null && minorsAhead(own, other) < 0
  const advice = isOlder ? `install ${other} here first` : `upgrade or stop that ${kind} first`
  throw new TminusError(`T-minus ${own} cannot run beside ${nameOf(first)}, which runs ${other}; ${advice}`, {
    code: 'version_gap',
    retryable: false,
    fields: { job_id, version: own, other },
  })
}

/** False before the first migration, and on the tables of an older version. */
async function recordsVersions(db: Metadata): Promise<boolean> {
  const { rows } = await db.query<{ known: boolean }>(
    `select exists (select from pg_attribute where attrelid = to_regclass('metadata.job')
       and attname = 'tminus_version') as known`,
  )
  return rows[0]?.known === true
}

function isFar(version: string | null, from: string): boolean {
  return version !== null && Math.abs(minorsAhead(version, from)) > 1
}

/** Warns if live processes run different versions; fails if these versions cannot work together. */
export async function checkVersions(db: Metadata): Promise<Check[]> {
  const problem = versionProblem(await listExecuting(db, { kinds: KINDS }))
  return problem === undefined ? [] : [{ name: 'processes', ...problem }]
}

/** Says which of these running processes to upgrade. Undefined if all run the same version. */
export function versionProblem(running: readonly Process[]): Pick<Check, 'level' | 'message'> | undefined {
  const newest = newestOf(running)
  const older = running.filter(({ tminus_version }) => tminus_version !== newest)
  if (newest === undefined || older.length === 0) return undefined
  const far = older.filter(({ tminus_version }) => isFar(tminus_version, newest))
  const named = (far.length > 0 ? far : older).map(
    (one) =>
      `${nameOf(one)} runs ${one.tminus_version === null ? 'an older T-minus' : `T-minus ${one.tminus_version}`}`,
  )
  const beside = far.length > 0 ? `which cannot work with ${newest}` : `and the newest process runs ${newest}`
  const message = `${named.join(', ')}, ${beside}; upgrade the older ${named.length === 1 ? 'one' : 'ones'}`
  return { level: far.length > 0 ? 'fail' : 'warn', message }
}

function newestOf(running: readonly Process[]): string | undefined {
  const known = running.map(({ tminus_version }) => tminus_version).filter((version) => version !== null)
  return known.sort((a, b) => minorsAhead(b, a) || b.localeCompare(a, 'en', { numeric: true }))[0]
}
