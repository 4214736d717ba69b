import { rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { type Ended, PIPELINES, runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'
import { WITHIN } from '../support/within.ts'

const database = useDatabase()
let folder = ''
const env = () => ({ DATABASE_URL: database.connectionString, PIPELINES_DIR: folder, LOG_FORMAT: 'json' })
const cli = (line: string): Promise<Ended> => runCli(line.split(' '), { env: env() })

const add = (name: string) => symlink(join(PIPELINES, name), join(folder, name))
const remove = (name: string) => rm(join(folder, name))

beforeAll(async () => {
  folder = await scratchFolder()
  await add('slow')
})
afterAll(() => removeFolder(folder))

test('the runs of a dag can be read after its folder is gone, but none can be queued again', async () => {
  await add('chain')
  expect((await cli('pipeline chain')).code).toBe(0)
  const { stdout } = await cli('dags trigger chain')
  const queued = /Queued (\S+)/.exec(stdout)?.[1] ?? ''
  await remove('chain')

  const runs = await cli('dags runs chain -o json')
  expect(runs.stderr).toBe('')
  expect(JSON.parse(runs.stdout)).toMatchObject([{ run_id: queued, state: 'queued' }, { state: 'success' }])
  expect((await cli('runs show chain latest')).code).toBe(0)
  expect((await cli('dags runs chian')).stderr).toMatch(/There is no dag 'chian'/)

  const gone =
    "✖ Dag 'chain' is not in PIPELINES_DIR any more, so no process could execute the run; put its folder back"
  for (const line of [
    'runs clear chain latest',
    'tasks clear chain latest first',
    'tasks mark chain latest first failed',
  ])
    expect(await cli(line)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(gone) })

  const listed = JSON.parse((await cli('dags list -o json')).stdout)
  expect(listed).toMatchObject([
    { dag_id: 'chain', is_active: false, description: 'not in PIPELINES_DIR any more; runs: 1 queued' },
    { dag_id: 'slow', is_active: true },
  ])
  const check = await cli('db check')
  expect([check.code, check.stdout]).toEqual([
    1,
    expect.stringMatching(
      /^fail {2}runs +1 of chain waits, for .*, and its folder is not in PIPELINES_DIR: restore it, or cancel each run with npm run cli -- runs cancel chain RUN$/m,
    ),
  ])

  expect((await cli(`runs cancel chain ${queued}`)).code).toBe(0)
  expect((await cli('db check')).stdout).toMatch(/^ok {4}runs +0 running, 0 queued$/m)
  expect((await cli('dags list')).stdout).toMatch(/^chain +not in PIPELINES_DIR any more$/m)
})

test('dags list works without an answer of the database, and says so', async () => {
  const { code, stdout, stderr } = await runCli(['dags', 'list'], {
    env: { ...env(), DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' },
  })
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^slow /m)])
  expect(stderr).toMatch(/^Dags that only the database knows are not listed: DATABASE_URL: nothing listens at/)
})

test('a dag added after every process started is reported as such, until a process has loaded it', async () => {
  const first = startCli(['scheduler'], { env: env() })
  onTestFinished(() => void first.process.kill('SIGKILL'))
  await vi.waitFor(() => expect(first.stdout()).toContain('health at'), WITHIN)
  await add('chain')
  const says = new RegExp(
    `^No running process has loaded dag 'chain', so the run stays queued\\. Restart scheduler \\(process ${first.process.pid} on .*PIPELINES_DIR$`,
    'm',
  )
  expect(await cli('dags trigger chain')).toMatchObject({ code: 0, stdout: expect.stringMatching(says) })
  expect((await cli('dags trigger slow')).stdout).toMatch(/^Queued \S+\n$/)

  const waiting = startCli(['dags', 'trigger', 'chain', '--wait'], { env: env() })
  await vi.waitFor(() => expect(waiting.stdout()).toMatch(says), WITHIN)
  const check = await cli('db check')
  expect(check.code).toBe(1)
  expect(check.stdout).toMatch(/^warn {2}processes +no running process has loaded chain; restart scheduler/m)
  expect(check.stdout).toMatch(
    /^fail {2}runs +2 of chain wait, .*no running process has loaded that dag: restart sched/m,
  )

  first.process.kill('SIGTERM')
  await vi.waitFor(() => expect(waiting.stdout()).toContain('No process is executing runs'), WITHIN)
  const second = startCli(['scheduler'], { env: env() })
  onTestFinished(() => void second.process.kill('SIGKILL'))
  expect(await waiting.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('run success') })
  expect((await cli('db check')).stdout).not.toContain('no running process has loaded')
})
