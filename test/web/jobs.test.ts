import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { endJob } from '../../src/processes/jobs.ts'
import { runCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { aJob, aRun } from '../support/factories.ts'
import { type OpenSite, openSite } from './site.ts'

const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  site = await openSite(database)
})
afterAll(() => site.close())
beforeEach(() => database.pool.query('delete from metadata.job'))

const cli = (line: string) => runCli(line.split(' '), { env: { DATABASE_URL: database.connectionString } })
const words = (html: string) => html.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
const page = async (path: string) => words((await site.get(path)).text)

test('terminal, page and API show the code version of each process, and say that running ones differ', async () => {
  const older = await aJob(site.metadata, { codeVersion: '0123456789abcdef' })
  await aJob(site.metadata, { kind: 'scheduler', codeVersion: 'fedcba9876543210' })
  await aJob(site.metadata)
  const difference = '2 running processes have loaded different code; restart the older one'
  const { stdout } = await cli('jobs list')
  expect(stdout).toMatch(/^\d+ +start +running +\d+ on \S+ +01234567 +20/m)
  expect(stdout).toMatch(new RegExp(`\n${difference}\n`))
  expect((await cli('db check')).stdout).toMatch(new RegExp(`^warn +processes +${difference}$`, 'm'))
  const shown = await page('/jobs')
  expect(shown).toContain(`${difference}.`)
  expect(shown).toContain('fedcba98')
  const { jobs } = JSON.parse((await site.get('/api/v1/jobs')).text)
  expect(jobs.map((job: { code_version: string | null }) => job.code_version)).toEqual([
    null,
    'fedcba9876543210',
    '0123456789abcdef',
  ])
  await endJob(site.metadata, older, 'success', null)
  expect((await cli('jobs list')).stdout).not.toContain('different code')
  expect(await page('/jobs')).not.toContain('different code')
  expect(await page('/status')).toContain('Everything is healthy.')
})

test('terminal, page and API show the version of each process, and name the one that must be upgraded', async () => {
  await aJob(site.metadata, { kind: 'worker', version: '1.2.0' })
  await aJob(site.metadata, { version: '1.4.1' })
  const problem =
    /worker \(process \d+ on \S+\) runs T-minus 1.2.0, which cannot work with 1.4.1; upgrade the older one/
  const listed = await cli('jobs list')
  expect(listed.stdout).toMatch(/^\d+ +start +running +\d+ on \S+ +1.4.1 +20/m)
  expect(listed.stdout.replaceAll(/\s+/g, ' ')).toMatch(problem)
  const check = await cli('db check')
  expect([check.code, check.stdout.replaceAll(/\s+/g, ' ')]).toEqual([1, expect.stringMatching(problem)])
  expect(await page('/jobs')).toMatch(problem)
  expect(await page('/status')).toMatch(problem)
  const { jobs } = JSON.parse((await site.get('/api/v1/jobs')).text)
  expect(jobs.map((job: { tminus_version: string | null }) => job.tminus_version)).toEqual(['1.4.1', '1.2.0'])
})

test('terminal, page and API say for how long a process has been blocked, and by which task', async () => {
  await aJob(site.metadata, { kind: 'scheduler' })
  const jobId = await aJob(site.metadata, { blocked: { s: 720, by: 'etl/load' } })
  const blocked = /blocked for 12 min by etl\/load/
  expect((await cli('jobs list')).stdout).toMatch(blocked)
  expect((await cli('jobs check')).stdout).toMatch(
    /^start, process \d+ on \S+: last heartbeat .* ago, blocked for 12 min by /m,
  )
  expect((await cli('db check')).stdout).toMatch(
    /^warn +processes +start \(process .*\) has been blocked for 12 min by etl\/load/m,
  )
  expect(await page('/jobs')).toMatch(blocked)
  expect(await page('/status')).toMatch(
    / processes : start \(process \d+ on \S+\) has been blocked for 12 min by etl\/load /,
  )
  const [job, other] = JSON.parse((await site.get('/api/v1/jobs')).text).jobs
  expect([job.blocked_by, Math.floor(job.blocked_ms / 60_000)]).toEqual(['etl/load', 12])
  expect(other).toMatchObject({ blocked_ms: null, blocked_by: null })
  await database.pool.query('update metadata.job set blocked_by = null')
  expect((await cli('jobs list')).stdout).toMatch(/blocked for 12 min\n/)
  await endJob(site.metadata, jobId, 'failed', 'it died')
  expect((await cli('jobs list')).stdout).not.toContain('blocked')
})

test('terminal, page and API show the load of each worker, and the dags and queues that it serves', async () => {
  const dags = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`dag_${index + 10}`, 'hash']))
  const worker = await aJob(site.metadata, { kind: 'worker', dags, queues: ['default', 'gpu'], slots: 8 })
  await aJob(site.metadata, { kind: 'scheduler', dags: { one: 'hash' } })
  await endJob(
    site.metadata,
    await aJob(site.metadata, { kind: 'worker', dags, queues: ['gpu'], slots: 8 }),
    'failed',
    'x',
  )
  await aRun(site.metadata, { dagId: 'etl', state: 'running', tasks: { a: 'running', b: 'running', c: 'success' } })
  await database.pool.query('update metadata.task_instance set job_id = $1', [worker])
  const { stdout } = await cli('jobs list')
  expect(stdout).toMatch(/ load +serves +reason\n/)
  expect(stdout).toMatch(/^\d+ +worker +running .* 2 of 8 +60 dags, queues default, gpu$/m)
  expect(stdout).toMatch(/^\d+ +scheduler +running .*Z +1 dag$/m)
  expect(stdout).toMatch(/^\d+ +worker +failed .*Z +x$/m)
  const html = (await site.get('/jobs')).text
  expect(html).toContain('2 of 8 slots used')
  expect(html).toContain('<summary>60 dags, queues default, gpu</summary>')
  expect(words(html)).toContain('dag_ 59 10 more')
  const { jobs } = JSON.parse((await site.get('/api/v1/jobs')).text)
  const listed = jobs.find((job: { job_id: number }) => job.job_id === worker)
  expect(listed).toMatchObject({ used: 2, slots: 8, queues: ['default', 'gpu'] })
  expect(listed.dags).toEqual(Object.keys(dags))
  await aJob(site.metadata, { kind: 'worker', codeVersion: '0123456789abcdef' })
  await aJob(site.metadata, { kind: 'worker', codeVersion: 'fedcba9876543210' })
  expect(await page('/jobs')).toMatch(/01234567 {1,2}differs/)
  expect(await page('/jobs')).not.toMatch(/fedcba98 {1,2}differs/)
})
