import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Ended, PIPELINES as FIXTURES, type Running, startCli } from '../support/cli.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startHttpServer } from '../support/http-server.ts'

vi.setConfig({ testTimeout: 90_000 })

const GATED = join(FIXTURES, '../gated-pipelines')
const WITHIN = { timeout: 60_000, interval: 20 }

let database: TestDatabase
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.drop())

interface Loading {
  running: Running
  url: string
  /** Lets it load the rest; resolves with its exit code and output. */
  load(): Promise<Ended>
}

/** A web process that is still loading its pipelines. */
async function loadingWeb(env: Record<string, string> = {}): Promise<Loading> {
  const held: ServerResponse[] = []
  const gate = await startHttpServer((_, response) => held.push(response))
  const port = String(await freePort())
  const given = { DATABASE_URL: database.connectionString, PIPELINES_DIR: GATED, GATE: gate.origin, WEB_PORT: port }
  const running = startCli(['web'], { env: { ...given, ...env } })
  void running.ended.then(() => gate.close())
  await vi.waitFor(() => expect(held).toHaveLength(1), WITHIN)
  const load = () => {
    held[0]?.end()
    return running.ended
  }
  return { running, url: `http://127.0.0.1:${port}`, load }
}

describe.concurrent('web listens before its pipelines are loaded', () => {
  test('a request that arrives meanwhile is answered once they are loaded', async () => {
    const { running, url, load } = await loadingWeb()
    let answered = 0
    const early = ['/dags', '/health', '/api/v1/dags', '/nowhere'].map(async (path) => {
      const answer = await fetch(url + path)
      answered++
      return [path, answer.status, await answer.text()] as const
    })
    await connected(url)
    expect(answered).toBe(0)
    const ended = load()
    const [dags, health, api, nowhere] = await Promise.all(early)
    expect(dags).toEqual(['/dags', 200, expect.stringContaining('gated')])
    expect(health).toEqual(['/health', 503, expect.stringContaining('no live process executes runs')])
    expect(api).toEqual(['/api/v1/dags', 200, expect.stringContaining('"gated"')])
    expect(nowhere?.[1]).toBe(404)
    running.process.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  })

  test('after a signal meanwhile it answers the accepted requests, and ends', async () => {
    const { running, url, load } = await loadingWeb()
    const early = fetch(`${url}/dags`)
    await connected(url)
    running.process.kill('SIGTERM')
    const ended = load()
    expect((await early).status).toBe(200)
    const { code, stdout, stderr } = await ended
    expect([code, stderr]).toEqual([143, ''])
    expect(stdout).toContain('SIGTERM: stopping')
    await expect(connected(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('if it refuses to start, it closes the connections and prints the usual reason', async () => {
    const nowhere = `postgresql://nobody:secret@127.0.0.1:${await freePort()}/none`
    for (const [env, code, says] of [
      [{ WEB_HOST: '0.0.0.0' }, 2, /^✖ The web page on 0\.0\.0\.0 needs a user first: .* --role admin .*\n$/],
      [
        { DATABASE_URL: nowhere },
        1,
        /^✖ DATABASE_URL: nothing listens at 127\.0\.0\.1:\d+; start Postgres there .*\n$/,
      ],
    ] as const) {
      const { url, load } = await loadingWeb(env)
      const early = expect(fetch(`${url}/dags`)).rejects.toThrow('fetch failed')
      await connected(url)
      expect(await load()).toEqual({ code, stdout: '', stderr: expect.stringMatching(says) })
      await early
    }
  })

  test('with a wrong setting it never listens', async () => {
    const { url, load } = await loadingWeb({ CONCURRENCY: 'many' })
    await expect(connected(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    const stderr = '✖ Wrong setting: CONCURRENCY must be a whole number from 1 to 1000\n'
    expect(await load()).toEqual({ code: 2, stdout: '', stderr })
  })

  test('a taken port is reported only if everything else is well', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const { load } = await loadingWeb({ WEB_PORT: String(port) })
    const stderr = expect.stringMatching(
      new RegExp(`^✖ Port ${port} is used by another process; .* set WEB_PORT .*\n$`),
    )
    expect(await load()).toEqual({ code: 2, stdout: '', stderr })
    taken.close()
  })
})

/** Resolves once a connection was accepted. */
async function connected(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect').finally(() => socket.destroy())
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
