import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test, vi } from 'vitest'
import { disable } from '../../pipelines/rocket-launches/discord/target.ts'
import { parseWebhookUrl } from '../../src/connectors/discord.ts'
import { PIPELINES as FIXTURES, printed, type Running, runCli, startCli } from '../support/cli.ts'
import { withDatabase } from '../support/database.ts'
import { WITHIN } from '../support/within.ts'
import { expectOrderlyEnd, withStandIns } from './support.ts'

const SCHEDULED = join(FIXTURES, '../scheduled-pipelines')

/** The address at which it says that it listens. */
function urlOf(running: Running): Promise<string> {
  return printed(running, () => /health at (http:\S+)\/health/.exec(running.stdout())?.[1])
}

/** One answer: a busy machine may be unhealthy for a moment, so a second answer may differ. */
async function healthAt(url: string): Promise<{ code: number; body: unknown }> {
  const answer = await fetch(`${url}/health`)
  return { code: answer.status, body: await answer.json() }
}

/** Waits for an answer with these fields. */
async function hasHealth(url: string, code: 200 | 503, more = {}): Promise<void> {
  const body = { status: code === 200 ? 'healthy' : 'unhealthy', ...more }
  await vi.waitFor(async () => expect(await healthAt(url)).toMatchObject({ code, body }), WITHIN)
}

/** fetch cannot send another Host header. The path answers 200 while the process lives, however busy it is. */
function statusFor(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/health/live`, { headers: { host } }, (answer) => {
      void text(answer).then(() => resolve(answer.statusCode))
    })
    asked.on('error', reject).end()
  })
}

describe.concurrent('the probes of a process', () => {
  test('health: 200 while every part is alive, else 503 with the one that is not', () =>
    withDatabase(async ({ connectionString, pool }) => {
      const running = startCli(['scheduler'], { env: { DATABASE_URL: connectionString, PIPELINES_DIR: SCHEDULED } })
      const url = await urlOf(running)
      await hasHealth(url, 200)
      expect((await fetch(`${url}/health/live`)).status).toBe(200)
      expect((await fetch(`${url}/metrics`)).status).toBe(404)
      expect((await fetch(`${url}/health`, { method: 'POST' })).status).toBe(405)
      expect(await statusFor(url, 'launches.example')).toBe(421)
      expect(await statusFor(url, 'localhost:1')).toBe(200)

      for (const verb of ['start', 'scheduler', 'web']) {
        const taken = await runCli([verb], { env: { DATABASE_URL: connectionString, WEB_PORT: new URL(url).port } })
        expect([taken.code, taken.stdout]).toEqual([2, ''])
        expect(taken.stderr).toMatch(/^✖ .*port \d+ is used by another process; .* set WEB_PORT .*\n$/i)
      }

      // From here on the scheduler's checks fail, although the process lives, answers and heartbeats.
      await pool.query('alter table metadata.dag_schedule rename to away')
      await hasHealth(url, 503, {
        scheduler: { status: 'unhealthy', last_heartbeat: expect.stringMatching(/Z$/) },
        executor: { status: 'healthy' },
        database: { status: 'healthy' },
      })
      await expectOrderlyEnd(running, pool)
    }))

  test('listens on any free port if the default port is taken', () =>
    withDatabase(async ({ connectionString, pool }) => {
      // The first process takes the port, unless a process of someone else has it.
      const running: Running[] = []
      const urls: string[] = []
      for (let index = 0; index < 2; index++) {
        const one = startCli(['scheduler'], { env: { DATABASE_URL: connectionString, WEB_PORT: '8080' } })
        running.push(one)
        urls.push(await urlOf(one))
      }
      expect(urls.filter((url) => !url.endsWith(':8080')).length).toBeGreaterThanOrEqual(1)
      for (const url of urls) await hasHealth(url, 200)
      for (const one of running) await expectOrderlyEnd(one, pool)
    }))

  test('start serves them beside the page; web reports the processes that execute', () =>
    withDatabase(async ({ connectionString, pool }) => {
      const env = { DATABASE_URL: connectionString, PIPELINES_DIR: SCHEDULED, METRICS: 'on' }
      const started = startCli(['start'], { env })
      const url = await urlOf(started)
      await hasHealth(url, 200)
      expect((await fetch(`${url}/dags`)).status).toBe(200)
      expect(await (await fetch(`${url}/metrics`)).text()).toContain('\ntminus_scheduler_look_age_seconds ')

      const web = startCli(['web'], { env })
      const page = await printed(web, () => /the page is at (http:[^"]+)"/.exec(web.stdout())?.[1])
      await hasHealth(page, 200)
      expect(await (await fetch(`${page}/metrics`)).text()).not.toContain('look_age')
      await expectOrderlyEnd(started, pool)
      expect((await fetch(`${page}/health`)).status).toBe(503)
      await expectOrderlyEnd(web, pool)
    }))

  test('a request that never ends is disconnected', () =>
    withDatabase(async ({ connectionString, pool }) => {
      const running = startCli(['scheduler'], { env: { DATABASE_URL: connectionString } })
      const { hostname, port } = new URL(await urlOf(running))
      const socket = connect(Number(port), hostname)
      socket.write('GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ')
      expect(await text(socket)).toMatch(/^HTTP\/1.1 408 /)
      await expectOrderlyEnd(running, pool)
    }))

  test('metrics of runs, tasks and the scheduler, in a form that Prometheus reads', () =>
    withDatabase(async ({ connectionString, pool }) => {
      const env = { DATABASE_URL: connectionString, PIPELINES_DIR: SCHEDULED, METRICS: 'on' }
      const running = startCli(['scheduler'], { env })
      const url = await urlOf(running)
      const scrape = async () => await (await fetch(`${url}/metrics`)).text()
      const value = (metrics: string, line: string) =>
        Number(
          metrics
            .split('\n')
            .find((one) => one.startsWith(`${line} `))
            ?.slice(line.length + 1),
        )
      await vi.waitFor(
        async () =>
          expect(value(await scrape(), 'tminus_dag_runs_total{dag_id="ticking",state="success"}')).toBeGreaterThan(2),
        WITHIN,
      )
      const metrics = await scrape()
      const runs = value(metrics, 'tminus_dag_runs_total{dag_id="ticking",state="success"}')
      expect(value(metrics, 'tminus_task_instances_total{dag_id="ticking",task_id="tick",state="success"}')).toBe(runs)
      expect(value(metrics, 'tminus_task_duration_seconds_count{dag_id="ticking",task_id="tick"}')).toBe(runs)
      expect(value(metrics, 'tminus_task_queue_seconds_count{dag_id="ticking"}')).toBeGreaterThanOrEqual(runs)
      expect(value(metrics, 'tminus_dag_run_start_delay_seconds_count{dag_id="ticking"}')).toBeGreaterThanOrEqual(runs)
      expect(value(metrics, 'tminus_scheduler_look_age_seconds')).toBeGreaterThanOrEqual(0)
      const line = /^([a-z_0-9]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+.e\dNaInf]+|# (HELP|TYPE) [a-z_0-9]+ .+|)$/
      expect(metrics.split('\n').filter((one) => !line.test(one))).toEqual([])
      const types = metrics.match(/^# TYPE \S+/gm) ?? []
      expect(new Set(types).size).toBe(types.length)
      await expectOrderlyEnd(running, pool)
    }))

  test('the checks of rocket-launches appear in db check, its metrics in /metrics', () =>
    withDatabase(({ connectionString, pool }) =>
      withStandIns(async (standIns) => {
        const env = { ...standIns.env, DATABASE_URL: connectionString, CLOCK: '2026-05-04T12:00:30Z', METRICS: 'on' }
        const check = async (extra = {}) => {
          const { stdout } = await runCli(['db', 'check', '-o', 'json'], { env: { ...env, ...extra } })
          const found = JSON.parse(stdout) as { name: string; level: string; message: string }[]
          return Object.fromEntries(found.map(({ name, level, message }) => [name, `${level}: ${message}`]))
        }
        expect((await runCli(['pipeline', 'rocket-launches'], { env })).code).toBe(0)
        expect(await check()).toMatchObject({
          launches: expect.stringMatching(/^ok: read .* ago$/),
          quota: expect.stringMatching(/^ok: /),
          webhooks: 'ok: 1 in use',
          outbox: 'ok: 0 waiting, 0 with unknown outcome, 0 dead',
        })
        const running = startCli(['scheduler'], { env })
        const metrics = await (await fetch(`${await urlOf(running)}/metrics`)).text()
        expect(metrics).toMatch(/^discord_messages\{kind="card",state="sent"\} 1$/m)
        expect(metrics).toMatch(/^launches_age_seconds \d/m)
        expect(metrics).toMatch(/^launch_library_calls_left \d+$/m)
        await expectOrderlyEnd(running, pool)

        await pool.query(`update discord_outbox set state = 'unknown'`)
        await disable(pool, parseWebhookUrl(standIns.discord.webhookUrl), 'deleted; make a new one')
        expect(await check({ CLOCK: '2026-05-05T12:00:00Z' })).toMatchObject({
          launches: expect.stringMatching(/^warn: read (24 h|23 h 59 min) ago, which is too old; /),
          webhooks: expect.stringMatching(
            /^fail: webhook \d+ has been disabled since \d{4}-\S+ \S+Z: deleted; make a new one$/,
          ),
          outbox: expect.stringMatching(/^warn: .*1 with unknown outcome.*; npm run cli -- discord outbox lists them$/),
        })
      }),
    ))
})
