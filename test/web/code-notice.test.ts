import { expect, test } from 'vitest'
import { useDatabase } from '../support/database.ts'
import { openSite } from './site.ts'

const database = useDatabase()
const HTML = { accept: 'text/html,*/*;q=0.8' }

test('each page shows the notice about changed code to signed-in users, without secrets; programs do not wait for it', async () => {
  let notice: string | undefined = 'etl could not be loaded: s3cr3t-value <b>'
  let reads = 0
  const codeNotice = async () => {
    reads++
    return notice
  }
  const site = await openSite(database, { codeNotice })
  try {
    await site.addUser('ada')
    const headers = { ...HTML, cookie: await site.login('ada') }
    reads = 0
    for (const path of ['/dags', '/jobs', '/pools', '/status'])
      expect((await site.get(path, { headers })).text).toContain('etl could not be loaded: *** &lt;b&gt;')
    expect(reads).toBe(4)
    expect((await site.get('/login', { headers: HTML })).text).not.toContain('etl could not')
    notice = undefined
    expect((await site.get('/dags', { headers })).text).not.toContain('etl could not')
    reads = 0
    await site.get('/api/dags', { headers: { cookie: headers.cookie } })
    await site.get('/assets/site.css')
    expect(reads).toBe(0)
  } finally {
    await site.close()
  }
})
