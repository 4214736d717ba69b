import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { initializeSchema } from '../../../../pipelines/launches/initialize-schema.ts'
import { migrate } from '../../../../src/db/migrate.ts'
import { useDatabase } from '../../../support/database.ts'
import { quietLog } from '../../../support/quiet-log.ts'
import { removeFolder, scratchFolder } from '../../../support/scratch.ts'
import { useBoard } from './board-site.ts'

const database = useDatabase()
let older: string
beforeAll(async () => {
  older = await scratchFolder()
})
const site = useBoard(database, () => new Date('2026-11-21T12:00:00Z'))
afterAll(async () => {
  await removeFolder(older)
})

/** The tables as the version that had this many migrations left them. */
async function migrateTo(count: number): Promise<void> {
  const all = fileURLToPath(new URL('../../../../sql/launches', import.meta.url))
  const names = (await readdir(all)).filter((name) => name.endsWith('.sql')).sort()
  for (const name of names.slice(0, count)) await cp(join(all, name), join(older, name))
  await migrate(database.pool, { directory: pathToFileURL(older), historyTable: 'rocket_launches_migration' })
}

const statuses = async (...paths: string[]) => {
  const answers = await Promise.all(paths.map((path) => site.get(path)))
  return answers.map(({ status }) => status)
}

test('pages and files say that the tables are older, and never that there are no launches', async () => {
  await migrateTo(7)
  await database.pool.query(
    `insert into rocket_launches (launch_id, id, name, net, net_precision, status_id) values ('a', 1, 'Falcon', '2026-11-22Z', 1, 1)`,
  )
  for (const path of ['/', '/?show=past', '/launches.json', '/launches.ics', '/outbox']) {
    const answer = await site.get(path)
    expect([path, answer.status, answer.headers.get('retry-after')]).toEqual([path, 503, '5'])
    expect(await answer.text()).toContain('The tables are of an older version; the next run updates them, or run npm')
  }
})

test('the page of a launch needs no current outbox', async () => {
  await migrateTo(11)
  expect(await statuses('/', '/launches/a', '/launches.ics', '/outbox')).toEqual([200, 200, 200, 503])
})

test('the next migration ends it', async () => {
  await initializeSchema({}, { db: database.pool, log: quietLog() })
  expect(await statuses('/', '/launches/a', '/launches.json', '/launches.ics', '/outbox')).toEqual(Array(5).fill(200))
})
