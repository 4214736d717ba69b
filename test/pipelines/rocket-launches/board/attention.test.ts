import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { disable } from '../../../../pipelines/rocket-launches/discord/target.ts'
import { parseWebhookUrl } from '../../../../src/connectors/discord.ts'
import { type Metadata, openMetadata } from '../../../../src/metadata/metadata.ts'
import { endJob, insertJob } from '../../../../src/processes/jobs.ts'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { aRun } from '../../../support/factories.ts'
import { type BoardSite, openBoard } from './board-site.ts'

const NOW = new Date('2026-11-21T09:03:00Z')
const WEBHOOK_URL = 'https://discord.com/api/webhooks/1200000000000000001/very-secret_TOKEN-0123456789'
const SOURCE = 'https://ll.thespacedevs.com/2.3.0/launches/upcoming/'

const database = useDatabase(createLaunchDatabase)
let metadata: Metadata
const jobs: number[] = []
let site: BoardSite | undefined
beforeAll(() => {
  metadata = openMetadata(database.pool, 'metadata')
})
afterEach(async () => {
  await site?.close()
  for (const job of jobs.splice(0)) await endJob(metadata, job, 'success', null)
  await database.pool.query('truncate metadata.dag cascade; truncate rocket_launch_sync, discord_target cascade')
})

/** Each call opens a site of its own, because a site reads the problems at most every five seconds. */
async function pageOf(path: string, env: Record<string, string> = {}): Promise<string> {
  await site?.close()
  site = await openBoard(database.pool, () => NOW, env)
  const response = await fetch(`${site.url}${path}`, { headers: { accept: 'text/html' } })
  return (await response.text()).replace(/<(?!\/?(?:main|header))[^>]*>/g, '')
}

async function process(): Promise<void> {
  jobs.push(await insertJob(metadata, 'start'))
}

async function read(minutesAgo: number): Promise<void> {
  const at = new Date(NOW.getTime() - minutesAgo * 60_000).toISOString()
  await database.pool.query(
    'insert into rocket_launch_sync (source, last_attempt_at, last_success_at) values ($1, $2, $2)',
    [SOURCE, at],
  )
}

describe('a problem that needs a person', () => {
  test('is shown at the top of the board, with a badge beside Health on every page', async () => {
    await read(1)
    const board = await pageOf('/')
    expect(board).toContain(
      'processes: no running process executes scheduled runs; start one with npm start. See all checks',
    )
    expect(board).toContain('Health 1 problem')
    const dags = await pageOf('/dags')
    expect(dags).toContain('Health 1 problem')
    expect(dags).not.toContain('processes: no running process')
  })

  test('is a dead webhook or a read that is too old', async () => {
    await process()
    await read(60 * 24 * 9)
    await disable(database.pool, parseWebhookUrl(WEBHOOK_URL), 'the webhook does not exist any more; make a new one')
    const board = await pageOf('/', { DISCORD_WEBHOOK_URL: WEBHOOK_URL })
    expect(board).toContain('Health 2 problems')
    expect(board).toMatch(/launches: read 9 d ago, which is too old/)
    expect(board).toMatch(/webhooks: webhook .* make a new one/)
    expect(board).not.toContain('very-secret')
  })

  test('is not there while a process executes and reads', async () => {
    await process()
    await read(1)
    const board = await pageOf('/')
    expect(board).not.toMatch(/problem/)
    expect(board).not.toContain('processes:')
  })
})

describe('before the first read the board says', () => {
  test('how to start a process', async () => {
    expect(await pageOf('/')).toMatch(/No launches yet.*No process reads Launch Library. Start one:\s*npm start/)
  })

  test('when the next read is', async () => {
    await process()
    const board = await pageOf('/')
    expect(board).toContain('The next read of Launch Library is at Sat 21 Nov 2026, 09:05 UTC (in 2 min)')
    expect(board).not.toContain('npm run pipeline')
  })

  test('that Launch Library is being read', async () => {
    await process()
    await aRun(metadata, { dagId: 'rocket-launches', state: 'running' })
    expect(await pageOf('/')).toContain('Launch Library is being read now')
  })

  test('that the last read failed, and when the next one is', async () => {
    await process()
    await aRun(metadata, { dagId: 'rocket-launches', state: 'failed' })
    const board = await pageOf('/')
    expect(board).toMatch(/The last read failed: its run\..*The next read of Launch Library is at/)
  })

  test('that the pipeline is paused', async () => {
    await process()
    await aRun(metadata, { dagId: 'rocket-launches', state: 'success' })
    await database.pool.query(`update metadata.dag set is_paused = true`)
    expect(await pageOf('/')).toContain('The pipeline is paused: unpause it')
  })
})
