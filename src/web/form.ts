import { badRequest, refused } from './problem.tsx'
import type { WebContext } from './site.ts'

/** The fields of a form by name: the last text of that name, '' where there is none. */
export interface Form {
  (name: string): string
  /** Every text of that name. */
  all(name: string): string[]
}

/** Reads the form that was sent. Throws ProblemError where it is none, is broken, or holds what is no text. */
export async function readForm(c: WebContext): Promise<Form> {
  const data = await parse(c)
  for (const [name, value] of data) {
    if (typeof value !== 'string') throw badRequest('A file is not expected here.')
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
    throw badRequest('The form cannot be read: its body is not what its content type says.')
  })
}

/** No JSON that a person writes is nested more deeply; Postgres and JSON.stringify fail at some thousands. */
const DEEPEST = 100

/** Why a value from outside cannot be stored, as the end of a sentence; undefined where it can. */
export function whyNotStorable(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'string') {
    if (value.includes('\0')) return 'holds a NUL character, which cannot be stored'
    return value.isWellFormed() ? undefined : 'holds half of a surrogate pair, which cannot be stored'
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (depth >= DEEPEST) return `is nested more than ${DEEPEST} levels deep`
  for (const [name, member] of Object.entries(value)) {
    const why = whyNotStorable(name) ?? whyNotStorable(member, depth + 1)
    if (why !== undefined) return why
  }
  return undefined
}
