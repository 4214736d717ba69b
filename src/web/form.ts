import { badRequest, refused } from './problem.tsx'
import type { WebContext } from './site.ts'

/** The fields of a form by name: the last value of that name, '' if there is none. */
export interface Form {
  (name: string): string
  /** All values of that name. */
  all(name: string): string[]
}

/** Reads a form from the body. Throws ProblemError for another content type, a broken body, or a file. */
export async function readForm(c: WebContext): Promise<Form> {
  const data = await parse(c)
  for (const [name, value] of data) {
    if (typeof value !== 'string') throw badRequest('Files are not accepted here.')
    const why = whyNotStorable([name, value])
    if (why !== undefined) throw badRequest(`The form ${why}.`)
  }
  const all = (name: string) => data.getAll(name).map(String)
  return Object.assign((name: string) => all(name).at(-1) ?? '', { all })
}

const TYPES = /^(application\/x-www-form-urlencoded|multipart\/form-data)\s*(;|$)/i

async function parse(c: WebContext): Promise<FormData> {
  const type = c.req.header('content-type')
  if (type === undefined && Number(c.req.header('content-length') ?? 0) === 0) return new FormData()
  if (!TYPES.test(type ?? ''))
    throw refused(415, 'Send a form: application/x-www-form-urlencoded or multipart/form-data.')
  return await c.req.formData().catch(() => {
    throw badRequest('The form cannot be read: its body does not match its content type.')
  })
}

/** JSON that people write is never nested this deep. Postgres and JSON.stringify fail at a few thousand levels. */
const DEEPEST = 100

/** The reason why a value cannot be stored, as the end of a sentence; undefined if it can be stored. */
export function whyNotStorable(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'string') {
    if (value.includes('\0')) return 'contains a NUL character, which cannot be stored'
    return value.isWellFormed() ? undefined : 'contains half of a surrogate pair, which cannot be stored'
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (depth >= DEEPEST) return `is nested more than ${DEEPEST} levels deep`
  for (const [name, member] of Object.entries(value)) {
    const why = whyNotStorable(name) ?? whyNotStorable(member, depth + 1)
    if (why !== undefined) return why
  }
  return undefined
}
