import type { IncomingMessage, ServerResponse } from 'node:http'
import { sampleLaunches } from '../demo/launches.ts'
import { picture } from '../demo/picture.ts'
import { shaped } from '../demo/shape.ts'
import { openLoopback, type SeenRequest, seen, sendJson } from './loopback.ts'
import { CallCount, type Quota } from './quota.ts'
import { type Query, readQuery, type Served, selectLaunches, shown } from './select-launches.ts'

export type Launches = () => readonly unknown[]

export interface LaunchLibraryOptions {
  /** The API version, which decides the paths. The launches are not converted to this version. Default 2.3.0. */
  version?: '2.0.0' | '2.2.0' | '2.3.0' | '2.4.0'
  /** The path before the version, such as `/api/ll`. Default: none. */
  basePath?: string
  /** The upcoming list, called for every request. Default: the sample launches, at the time of the start. */
  launches?: Launches
  /** Launches that are no longer upcoming: found by id, under `previous` and in the list of all. Default: none. */
  archive?: Launches
  /** The clock for `previous`, for the sample launches, and for a quota without its own clock. */
  now?: () => Date
  /** Default: a quota of a million calls an hour. */
  quota?: Quota
  /** Called first for every request. If it returns true, the server does not answer this request. */
  intercept?: (request: IncomingMessage, response: ServerResponse, seen: SeenRequest) => boolean
}

export interface LaunchLibraryServer {
  /** `http://127.0.0.1:PORT/2.3.0`, the value for LAUNCH_LIBRARY_URL. */
  url: string
  /** Every request so far, including pictures. */
  requests: SeenRequest[]
  setLaunches(launches: Launches, archive?: Launches): void
  close(): Promise<void>
}

/**
 * A loopback stand-in for Launch Library 2: lists with paging and filters, single launches, the throttle, and the
 * pictures of the sample launches. It has the normal and detailed modes; `mode=list` returns the normal mode.
 */
export async function startLaunchLibrary(options: LaunchLibraryOptions = {}): Promise<LaunchLibraryServer> {
  const requests: SeenRequest[] = []
  const now = options.now ?? (() => new Date())
  let served: Served = { upcoming: () => [], archive: options.archive ?? (() => []), now }
  const calls = new CallCount({ now, ...(options.quota ?? { limit: 1_000_000, windowSeconds: 3600 }) })

  const server = await openLoopback(async (request, response) => {
    const entry = seen(request)
    requests.push(entry)
    if (options.intercept?.(request, response, entry)) return
    const answer = route(entry, { version, base: `${basePath}/${version}/`, served, calls, origin })
    if (Buffer.isBuffer(answer.body)) return sendPicture(response, answer.body)
    sendJson(request, response, answer.status, answer.body, answer.headers)
  })
  const { origin } = server
  const { version = '2.3.0', basePath = '' } = options
  const samples = options.launches === undefined ? sampleLaunches(now(), { origin }).map(shaped(version)) : []
  served = { ...served, upcoming: options.launches ?? (() => samples) }

  return {
    url: `${origin}${basePath}/${version}`,
    requests,
    setLaunches(launches, archive = served.archive) {
      served = { ...served, upcoming: launches, archive }
    },
    close: server.close,
  }
}

interface Answer {
  status: number
  body: unknown
  headers?: Record<string, string>
}

interface Library {
  version: string
  base: string
  served: Served
  calls: CallCount
  origin: string
}

function route(request: SeenRequest, library: Library): Answer {
  const { path } = request
  const image = /^\/media\/images\/(\w+)\.png$/.exec(path)?.[1]
  if (image !== undefined) return { status: 200, body: picture(image) ?? Buffer.alloc(0) }
  const { base } = library
  if (!path.startsWith(base)) return notFound
  if (request.method !== 'GET') return refused(405, `Method "${request.method}" not allowed.`)
  if (!path.endsWith('/')) return { status: 301, body: '', headers: { location: `${path}/` } }
  const token = /^Token (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  const throttle = library.version === '2.4.0' ? 'api-throttle/status/' : 'api-throttle/'
  if (path === `${base}${throttle}`) return { status: 200, body: library.calls.report(token) }
  const wait = library.calls.take(token)
  return wait === undefined ? launches(request, library) : throttled(wait)
}

const notFound: Answer = refused(404, 'Not found.')

function refused(status: number, detail: string): Answer {
  return { status, body: { detail } }
}

function throttled(seconds: number): Answer {
  const answer = refused(429, `Request was throttled. Expected available in ${seconds} seconds.`)
  return { ...answer, headers: { 'retry-after': String(seconds) } }
}

function launches(request: SeenRequest, library: Library): Answer {
  const { version, base, served, origin } = library
  const [name, which = ''] = request.path.slice(base.length).split('/')
  if (name !== (version === '2.3.0' || version === '2.4.0' ? 'launches' : 'launch')) return notFound
  const query = readQuery(request.query)
  if ('errors' in query) return { status: 400, body: query.errors }
  if (version === '2.4.0') return filtered(request, which, query, library)
  if (which === '') return page(request, selectLaunches(served, 'all', query), query, origin)
  if (which === 'upcoming' || which === 'previous') {
    return page(request, selectLaunches(served, which, query), query, origin)
  }
  const [launch] = selectLaunches(served, 'all', { ...query, ids: [which] })
  return launch === undefined ? notFound : { status: 200, body: shown(launch, query.mode) }
}

/** Answers 2.4.0, where the mode is part of the path and a filter selects the list. This server has no list mode. */
function filtered(request: SeenRequest, which: string, query: Query, { served, origin }: Library): Answer {
  const detailed = { ...query, mode: 'detailed' }
  if (which === '' || which === 'detailed') {
    const { upcoming, upcoming_with_recent: recent, previous } = request.query
    const list = previous === 'true' ? 'previous' : upcoming === 'true' || recent === 'true' ? 'upcoming' : 'all'
    const mode = which === '' ? { ...query, mode: undefined } : detailed
    return page(request, selectLaunches(served, list, mode), mode, origin)
  }
  const [launch] = selectLaunches(served, 'all', { ...detailed, ids: [which] })
  return launch === undefined ? notFound : { status: 200, body: shown(launch, 'detailed') }
}

function page(request: SeenRequest, found: unknown[], { limit, offset, mode }: Query, origin: string): Answer {
  const address = (start: number) => {
    const query = new URLSearchParams({ ...request.query, limit: String(limit), offset: String(start) })
    if (start === 0) query.delete('offset')
    return `${origin}${request.path}?${query}`
  }
  const next = offset + limit < found.length ? address(offset + limit) : null
  const previous = offset > 0 ? address(Math.max(0, offset - limit)) : null
  const results = found.slice(offset, offset + limit).map((launch) => shown(launch, mode))
  return { status: 200, body: { count: found.length, next, previous, results } }
}

function sendPicture(response: ServerResponse, png: Buffer): void {
  const status = png.length === 0 ? 404 : 200
  response.writeHead(status, { 'content-type': 'image/png', 'content-length': png.length }).end(png)
}
