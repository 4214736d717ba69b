import { beforeEach, describe, expect, test } from 'vitest'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { checkVersions, refuseVersionGap } from '../../src/maintenance/versions.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { minorsAhead, VERSION } from '../../src/version.ts'
import { createEmptyDatabase, useDatabase } from '../support/database.ts'
import { aJob } from '../support/factories.ts'

const database = useDatabase()
const metadata = () => openMetadata(database.pool, 'metadata')

beforeEach(() => async () => {
  await metadata().query('delete from metadata.job')
})

test.each([
  ['0.2.0', '0.2.7', 0],
  ['0.10.0', '0.9.3', 1],
  ['1.2.0-beta.1', '1.4.0', -2],
  ['2.0.0', '1.9.0', Number.POSITIVE_INFINITY],
  ['1.9.0', '2.0.0', Number.NEGATIVE_INFINITY],
])('%s is ahead of %s by minor versions: %d', (version, other, minors) => {
  expect(minorsAhead(version, other)).toBe(minors)
})

describe('a process that starts beside others', () => {
  test.each(['1.3.9', '1.4.0', '1.5.0', null])('1.4.2 is accepted beside a worker of version %s', async (version) => {
    await aJob(metadata(), { kind: 'worker', version })
    await refuseVersionGap(metadata(), '1.4.2')
  })

  test.each([
    ['1.2.0', 'upgrade or stop that worker first'],
    ['0.4.0', 'upgrade or stop that worker first'],
    ['1.6.0', 'install 1.6.0 here first'],
    ['2.0.0', 'install 2.0.0 here first'],
  ])('1.4.2 is refused beside a worker of version %s', async (version, advice) => {
    await aJob(metadata(), { kind: 'scheduler', version: '1.4.0' })
    await aJob(metadata(), { kind: 'worker', version })
    await expect(refuseVersionGap(metadata(), '1.4.2')).rejects.toMatchObject({
      code: 'version_gap',
      message: expect.stringMatching(
        new RegExp(`^T-minus 1.4.2 cannot run beside worker .+, which runs ${version}; ${advice}$`),
      ),
    })
  })

  test('a process that ended or died is not counted', async () => {
    const [ended, dead] = [await aJob(metadata(), { version: '7.0.0' }), await aJob(metadata(), { version: '8.0.0' })]
    await metadata().query(`update metadata.job set state = 'success', ended_at = now() where job_id = $1`, [ended])
    await metadata().query(`update metadata.job set heartbeat_at = now() - interval '1 minute' where job_id = $1`, [
      dead,
    ])
    await refuseVersionGap(metadata(), '1.4.2')
  })

  test('nothing is migrated beside a process of a version too far away', async () => {
    await aJob(metadata(), { version: '99.0.0' })
    await metadata().query('delete from metadata.schema_migration where version > 10')
    await expect(migrateMetadata(database.pool, 'metadata')).rejects.toMatchObject({ code: 'version_gap' })
    await metadata().query('delete from metadata.job')
    await expect(migrateMetadata(database.pool, 'metadata')).rejects.toMatchObject({ code: 'migration_failed' })
  })
})

describe('tables of an older version', () => {
  const empty = useDatabase(createEmptyDatabase)

  test('without the column for versions, every process is accepted', async () => {
    await refuseVersionGap(openMetadata(empty.pool, 'metadata'))
    await migrateMetadata(empty.pool, 'metadata')
    await empty.pool.query('alter table metadata.job drop column tminus_version')
    await refuseVersionGap(openMetadata(empty.pool, 'metadata'))
  })
})

test('each migration records the version that applied it', async () => {
  const { rows } = await database.pool.query('select distinct applied_by from metadata.schema_migration')
  expect(rows).toEqual([{ applied_by: VERSION }])
})

describe('running processes', () => {
  test('of one version are no problem', async () => {
    await aJob(metadata(), { version: '1.4.2' })
    await aJob(metadata(), { kind: 'worker', version: '1.4.2' })
    expect(await checkVersions(metadata())).toEqual([])
  })

  test('that are one minor version behind are named', async () => {
    await aJob(metadata(), { version: '1.10.0' })
    await aJob(metadata(), { kind: 'worker', version: '1.9.0' })
    const message = expect.stringMatching(
      /^worker \(process .+\) runs T-minus 1.9.0, and the newest process runs 1.10.0; upgrade the older one$/,
    )
    expect(await checkVersions(metadata())).toEqual([{ name: 'processes', level: 'warn', message }])
  })

  test('that do not record their version are older', async () => {
    for (const version of ['1.0.0', null, null]) await aJob(metadata(), { version })
    const message = expect.stringMatching(
      /^start \(.+\) runs an older T-minus, start .+, and the newest process runs 1.0.0; upgrade the older ones$/,
    )
    expect(await checkVersions(metadata())).toEqual([{ name: 'processes', level: 'warn', message }])
  })

  test('that cannot work together fail the check', async () => {
    for (const version of ['1.6.0', '1.5.0']) await aJob(metadata(), { version })
    await aJob(metadata(), { kind: 'worker', version: '1.4.2' })
    const message = expect.stringMatching(
      /^worker \(process .+\) runs T-minus 1.4.2, which cannot work with 1.6.0; upgrade the older one$/,
    )
    expect(await checkVersions(metadata())).toEqual([{ name: 'processes', level: 'fail', message }])
  })
})
