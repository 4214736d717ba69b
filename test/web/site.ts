import { Writable } from 'node:stream'
import type { Dag } from '../../src/dag/dag.ts'
import { openLog } from '../../src/log.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { createUser } from '../../src/web/auth/users.ts'
import { openWeb, type WebOptions } from '../../src/web/server.ts'
import type { Role } from '../../src/web/site.ts'
import type { TestDatabase } from '../support/database.ts'
import { form, PASSWORD } from './support.ts'

/** The page, served within this process. */
export interface OpenSite {
  url: string
  metadata: Metadata
  /** Every line of the log so far. */
  logged(): string[]
  get(path: string, init?: RequestInit): Promise<{ status: number; text: string; headers: Headers }>
  addUser(name: string, role?: Role): Promise<void>
  /** The cookie of a new session. */
  login(name: string, headers?: Record<string, string>): Promise<string>
  close(): Promise<void>
}

interface OpenSiteOptions extends Partial<Omit<WebOptions, 'web'>> {
  dags?: readonly Dag[]
  trustProxy?: boolean
}

export async function openSite(database: TestDatabase, options: OpenSiteOptions = {}): Promise<OpenSite> {
  const { dags = [], trustProxy = false, ...more } = options
  const metadata = openMetadata(database.pool, 'metadata')
  const lines: string[] = []
  const to = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk))
      done()
    },
  })
  const scrub = (text: string) => text.replaceAll('s3cr3t-value', '***')
  if (trustProxy) await createUser(metadata, 'root', 'admin', PASSWORD)
  const web = await openWeb({
    metadata,
    db: database.pool,
    loaded: { dags: new Map(dags.map((dag) => [dag.id, dag])), files: new Map(), importErrors: [] },
    web: { host: '127.0.0.1', port: 0, trustProxy },
    settingsOf: () => ({}),
    now: () => new Date(),
    scrub,
    log: openLog({ level: 'debug', format: 'json', scrub, to }),
    ...more,
  })
  const get: OpenSite['get'] = async (path, init) => {
    const answer = await fetch(web.url + path, { redirect: 'manual', ...init })
    return { status: answer.status, text: await answer.text(), headers: answer.headers }
  }
  return {
    url: web.url,
    metadata,
    logged: () => lines,
    get,
    addUser: (name, role = 'viewer') => createUser(metadata, name, role, PASSWORD),
    login: async (name, headers = {}) => {
      const answer = await get('/login', form({ name, password: PASSWORD }, headers))
      return answer.headers.get('set-cookie')?.split(';')[0] ?? ''
    },
    close: () => web.close(),
  }
}
