import { expect, test } from 'vitest'
import { isOutage, outlast } from '../../src/db/outage.ts'
import { useDatabase } from '../support/database.ts'

const database = useDatabase()

test('a server that only reads, as after a failover, is waited for; a wrong statement is not', async () => {
  const refusals: boolean[] = []
  const client = await database.pool.connect()
  await client.query('create table taken (); set default_transaction_read_only = on')
  const onWait = async (error: Error) => {
    refusals.push(isOutage(error))
    await client.query('set default_transaction_read_only = off')
  }
  await outlast(() => client.query('drop table taken'), { onWait })
  const wrong = await client.query('drop table taken').catch((error: Error) => error)
  client.release(true)
  expect([refusals, isOutage(wrong)]).toEqual([[true], false])
})
