import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const BUILT = join(ROOT, 'dist/src/cli/main.js')
const BUILT_PIPELINES = join(ROOT, 'dist/pipelines')
const LIVE_MEMORY = new URL('live-memory.mjs', import.meta.url).href
const BARE = fileURLToPath(new URL('bare.mjs', import.meta.url))

/** Runs `npm run build` if the build is missing or older than the source. */
export function build(): void {
  const newest = (folder: string) =>
    Math.max(
      ...readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map(
        (name) => statSync(join(ROOT, folder, name)).mtimeMs,
      ),
    )
  const isNew = existsSync(BUILT) && ['src', 'pipelines', 'sql'].every((of) => newest(of) < statSync(BUILT).mtimeMs)
  if (!isNew) execFileSync('npm', ['run', '-s', 'build'], { cwd: ROOT, stdio: 'inherit' })
}

export interface Started {
  url: string
  /** Milliseconds from its start until it accepted a connection, and until it answered `/dags`. */
  listening: number
  answered: number
  /** Its memory in megabytes, by `/proc`. */
  memory(): number
  /** Its memory without garbage, for a process that is `measured`. */
  kept(): Promise<number>
  stop(): Promise<void>
}

/** Starts the built `web` on a database as a separate process. With `measured` it starts more slowly. */
export async function startWeb(
  databaseUrl: string,
  { pipelinesDir = BUILT_PIPELINES, measured = false } = {},
): Promise<Started> {
  const telling = measured ? ['--expose-gc', '--import', LIVE_MEMORY] : []
  const env = { DATABASE_URL: databaseUrl, PIPELINES_DIR: pipelinesDir, LOG_LEVEL: 'warn' }
  return await start([...telling, BUILT, 'web'], env)
}

export async function startBare(): Promise<Started> {
  return await start([BARE], {})
}

async function start(args: string[], env: Record<string, string>): Promise<Started> {
  const port = await freePort()
  const begun = performance.now()
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env, WEB_PORT: String(port) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended with ${child.exitCode}`)
    await delay(1)
  }
  const listening = performance.now() - begun
  const url = `http://127.0.0.1:${port}`
  const answer = await fetch(`${url}/dags`)
  if (!answer.ok) throw new Error(`/dags: ${answer.status}`)
  await answer.arrayBuffer()
  const answered = performance.now() - begun
  return { url, listening, answered, memory: () => memoryOf(child), kept: () => keptBy(child), stop: () => stop(child) }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

function memoryOf({ pid }: ChildProcess): number {
  const [, kB] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return (Number(kB) * 1_024) / 1_000_000
}

async function keptBy(child: ChildProcess): Promise<number> {
  const told = once(child, 'message')
  child.kill('SIGUSR2')
  return (await told)[0]
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}
