import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { aRun } from '../support/factories.ts'
import { WITHIN } from '../support/within.ts'
import { json, type StartedSite, startSite } from './support.ts'

let site: StartedSite

beforeAll(async () => {
  site = await startSite()
})
afterAll(async () => {
  await site.close()
})

const read = async (path: string, init?: RequestInit) => {
  const { status, text } = await site.get(`/api/v1${path}`, init)
  return { status, body: JSON.parse(text) }
}

async function ended(runId: string) {
  const path = `/dags/etl/dagRuns/${encodeURIComponent(runId)}`
  return await vi.waitFor(async () => {
    const { body } = await read(path)
    expect(body.end_date).not.toBe(null)
    return body
  }, WITHIN)
}

/** Replaces the graph hashes that the executing process recorded, as if it had loaded other versions or other dags. */
async function withLoaded(dags: Record<string, string>, work: () => Promise<void>): Promise<void> {
  const { rows } = await site.database.pool.query<{ dags: unknown }>(
    `select dags from metadata.job where kind = 'start'`,
  )
  const set = (value: unknown) =>
    site.database.pool.query(`update metadata.job set dags = $1 where kind = 'start'`, [JSON.stringify(value)])
  await set(dags)
  await work().finally(() => set(rows[0]?.dags))
}

describe('/api/v1', () => {
  test('lists dags in pages, ordered by id', async () => {
    const first = await read('/dags?limit=2')
    expect(first.body.dags.map(({ dag_id }: { dag_id: string }) => dag_id)).toEqual(['etl', 'nightly'])
    const second = await read(`/dags?limit=2&cursor=${first.body.next_cursor}`)
    expect(second.body).toMatchObject({ dags: [{ dag_id: 'wide', schedule: '*/10 * * * *' }], next_cursor: null })
    expect((await read('/dags?search=IGHT')).body.dags).toMatchObject([{ dag_id: 'nightly' }])
  })

  test('returns the params of a dag', async () => {
    const { body } = await read('/dags/etl')
    expect(body.params).toMatchObject([
      { name: 'source', kind: 'text', required: true },
      { name: 'rows', kind: 'number', default: '20' },
      { name: 'mode', kind: 'choice', choices: ['full', 'delta'], default: 'delta' },
      { name: 'dry', kind: 'boolean' },
      { name: 'only', kind: 'json' },
    ])
  })

  test('triggers a run, returns its failure, clears it, and the run succeeds', async () => {
    const made = await read('/dags/etl/dagRuns', json({ conf: { source: 'flaky', rows: 3 } }))
    expect(made.status).toBe(201)
    const runId = made.body.run_id
    expect(await ended(runId)).toMatchObject({ state: 'failed', conf: { source: 'flaky', rows: 3 } })
    const run = `/dags/etl/dagRuns/${encodeURIComponent(runId)}`
    const { body: task } = await read(`${run}/taskInstances/validate`)
    expect(task).toMatchObject({
      state: 'failed',
      tries: [{ try_number: 1, reason: expect.stringContaining('the source said') }],
    })
    const { body: logs } = await read(`${run}/taskInstances/extract/logs/1?limit=2`)
    expect(logs.lines.map(({ message }: { message: string }) => message)).toEqual(['row 1 of flaky', 'row 2 of flaky'])
    const { body: rest } = await read(`${run}/taskInstances/extract/logs/1?cursor=${logs.next_cursor}`)
    expect(rest.lines).toMatchObject([{ message: 'row 3 of flaky', level: 'info', fields: { row: 3 } }])

    const preview = await read(`${run}/clear`, json({ only_failed: true, dry_run: true }))
    expect(preview.body.task_ids).toEqual(['validate', 'load_warehouse', 'load_search_index', 'report'])
    expect((await read(run)).body.state).toBe('failed')
    await read(`${run}/clear`, json({ only_failed: true }))
    expect(await ended(runId)).toMatchObject({ state: 'success' })
    const { body: again } = await read(`${run}/taskInstances/validate`)
    expect(again.tries.map(({ state }: { state: string }) => state)).toEqual(['failed', 'success'])
  })

  test('marks a task, and names invalid fields of its output', async () => {
    const { body } = await read('/dags/etl/dagRuns', json({ conf: { source: 'flaky' } }))
    await ended(body.run_id)
    const path = `/dags/etl/dagRuns/${encodeURIComponent(body.run_id)}/taskInstances`
    const patch = (task: string, change: unknown) => read(`${path}/${task}`, { ...json(change), method: 'PATCH' })
    expect(await patch('extract', { new_state: 'success', value: { rows: 'x' } })).toMatchObject({
      status: 400,
      body: { title: expect.any(String), detail: expect.stringContaining('does not match the output schema') },
    })
    expect((await patch('validate', { new_state: 'skipped' })).body.task_ids).toContain('validate')
    expect(await ended(body.run_id)).toMatchObject({ state: 'success' })
  })

  test('pauses and resumes a dag', async () => {
    const patch = (is_paused: boolean) => read('/dags/nightly', { ...json({ is_paused }), method: 'PATCH' })
    expect((await patch(true)).body).toMatchObject({ dag_id: 'nightly', is_paused: true })
    expect((await read('/dags/nightly')).body.is_paused).toBe(true)
    expect((await patch(false)).body.is_paused).toBe(false)
  })

  test.each([
    ['/dags?limit=0', undefined, 400, { limit: expect.any(String) }],
    ['/dags?limmit=2', undefined, 400, { limmit: 'is not a known field' }],
    ['/dagRuns?state=done', undefined, 400, { state: expect.any(String) }],
    ['/dags/nope', undefined, 404, undefined],
    ['/nope', undefined, 404, undefined],
    ['/dags/etl/dagRuns', json({ conf: { source: 'ab' } }), 400, { source: 'At least three letters' }],
    ['/dags/etl/dagRuns', json({ conf: { source: 'abc', sauce: 1 } }), 400, { sauce: expect.any(String) }],
    ['/dags/etl/dagRuns', json({ logical_date: '0000-01-01T00:00:00Z' }), 400, { logical_date: expect.any(String) }],
    ['/dags/etl/dagRuns', json({ logical_date: 'March 3, 2026' }), 400, { logical_date: expect.any(String) }],
    ['/dags/etl/dagRuns', json({ conf: {}, logical_date: 'today' }), 400, { logical_date: expect.any(String) }],
    ['/dags/etl/dagRuns', { method: 'POST', body: '{' }, 400, undefined],
  ])('%s returns an RFC 9457 problem', async (path, init, status, errors) => {
    const answer = await site.get(`/api/v1${path}`, init)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json'])
    const body = JSON.parse(answer.text)
    expect(body).toMatchObject({ type: 'about:blank', status, title: expect.any(String), detail: expect.any(String) })
    if (errors !== undefined) expect(body.errors).toMatchObject(errors)
  })

  test('pages runs by a cursor, each exactly once', async () => {
    for (let count = 0; count < 3; count++) await read('/dags/wide/dagRuns', json({}))
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const { body } = await read(`/dags/wide/dagRuns?limit=2${cursor && `&cursor=${cursor}`}`)
      seen.push(...body.dag_runs.map(({ run_id }: { run_id: string }) => run_id))
      cursor = body.next_cursor
    }
    const { rows } = await site.database.pool.query(
      `select run_id from metadata.dag_run where dag_id = 'wide' order by dag_run_id desc`,
    )
    expect(seen).toEqual(rows.map(({ run_id }) => run_id))
  })
})

describe('runs and dags in numbers', () => {
  const remove = (path: string) => read(path, { method: 'DELETE' }).catch(() => ({ status: 204, body: {} }))
  const place = (dagId: string, runId: string) =>
    aRun(openMetadata(site.database.pool, 'metadata'), {
      dagId,
      runId,
      state: 'failed',
      tasks: { extract: 'failed', renamed: 'failed' },
    })

  test('are listed by dag, type and time', async () => {
    await place('old', 'one')
    const count = async (query: string) => (await read(`/dagRuns?dag_id=old${query}`)).body.dag_runs.length
    const soon = new Date(Date.now() + 1_000).toISOString()
    expect([await count(''), await count('&run_type=manual'), await count('&run_type=scheduled')]).toEqual([1, 1, 0])
    expect([await count(`&logical_date_lte=${soon}`), await count(`&logical_date_gte=${soon}`)]).toEqual([1, 0])
  })

  test('many runs are cleared by a filter; without dry_run false, nothing changes', async () => {
    const made = await read('/dags/etl/dagRuns', json({ conf: { source: 'flaky', rows: 1 } }))
    await ended(made.body.run_id)
    const many = (body: object) => read('/dags/etl/dagRuns/clear', json(body))
    expect((await many({})).status).toBe(400)
    const filter = { state: 'failed', logical_date_gte: made.body.logical_date, only_failed: true }
    const task_ids = ['validate', 'load_warehouse', 'load_search_index', 'report']
    const dag_runs = [{ run_id: made.body.run_id, task_ids, error: null }]
    expect((await many(filter)).body).toEqual({ dag_runs, dry_run: true })
    expect((await many({ ...filter, dry_run: false })).body).toEqual({ dag_runs, dry_run: false })
    expect(await ended(made.body.run_id)).toMatchObject({ state: 'success' })
  })

  test('a run of older code gets the tasks of the current code', async () => {
    await place('etl', 'older')
    const run = '/dags/etl/dagRuns/older'
    const asked = await site.get('/dags/etl/runs/older/clear?with_current_graph=yes')
    expect(asked.text).toContain('6 of 7 tasks will run again')
    const body = { only_failed: true, with_current_graph: true }
    const tasks = ['extract', 'validate', 'load_warehouse', 'load_search_index', 'report', 'clean_up']
    expect((await read(`${run}/clear`, json({ ...body, dry_run: true }))).body.task_ids).toEqual(tasks)
    expect((await read(run)).body.task_instances).toHaveLength(2)
    expect((await read(`${run}/clear`, json(body))).body.task_ids).toEqual(tasks)
    const { task_instances } = await ended('older')
    expect(task_instances.map(({ task_id }: { task_id: string }) => task_id)).toEqual([...tasks, 'renamed'])
  })

  test('a run and a dag are deleted, unless a run is in use', async () => {
    await place('old', 'two')
    expect((await remove('/dags/old/dagRuns/two')).status).toBe(204)
    expect((await read('/dags/old/dagRuns/two')).status).toBe(404)
    const id = await place('old', 'three')
    await site.database.pool.query(
      `update metadata.dag_run set state = 'running', job_id = 1, started_at = now(), ended_at = null where dag_run_id = $1`,
      [id],
    )
    expect([await remove('/dags/old/dagRuns/three'), await remove('/dags/old')]).toMatchObject([
      { status: 409, body: { detail: expect.stringContaining('cancel it first') } },
      { status: 409, body: { detail: expect.stringContaining('such as three') } },
    ])
    await site.database.pool.query(
      `update metadata.dag_run set state = 'failed', ended_at = now() where dag_run_id = $1`,
      [id],
    )
    expect((await remove('/dags/old')).body).toEqual({ dag_id: 'old', deleted_runs: 2, is_active: false })
    expect((await read('/dags/old')).status).toBe(404)
  })
})

describe('a run with an id of its own', () => {
  test('is queued once; a second request returns 409 and the run', async () => {
    const ask = (run_id: string) => read('/dags/etl/dagRuns', json({ conf: { source: 'files', rows: 1 }, run_id }))
    const [first, second] = await Promise.all([ask('order:7'), ask('order:7')])
    expect([first.status, second.status].sort()).toEqual([201, 409])
    const refused = first.status === 409 ? first : second
    expect(refused.body).toMatchObject({
      status: 409,
      dag_run: { dag_id: 'etl', run_id: 'order:7', run_type: 'manual' },
    })
    expect(await ended('order:7')).toMatchObject({ state: 'success' })
    expect((await ask('order:7')).body.dag_run.state).toBe('success')
    for (const id of ['latest', 'scheduled__x', '..', 'a b', ''])
      expect([id, (await ask(id)).status]).toEqual([id, 400])
  })

  test('has a note, which a page shows as text', async () => {
    const run = '/dags/etl/dagRuns/order:7'
    const note = (text: string | null) => read(run, { ...json({ note: text }), method: 'PATCH' })
    expect((await note(' <b>looked into</b>\nit ')).body.note).toBe('<b>looked into</b>\nit')
    expect((await read(run)).body.note).toBe('<b>looked into</b>\nit')
    expect((await site.get('/dags/etl/runs/order:7')).text).toContain('&lt;b&gt;looked into&lt;/b&gt;')
    expect((await note('x'.repeat(1_001))).status).toBe(400)
    expect((await note(null)).body.note).toBe(null)
    expect((await read(run)).body.note).toBe(null)
  })
})

test('owner, links and doc of a dag and a task are in the API and on the pages, without HTML of the author', async () => {
  const { body } = await read('/dags/etl')
  expect(body).toMatchObject({ owner: 'data team', links: { Runbook: 'https://example.org/runbook' } })
  expect(body.tasks.find(({ task_id }: { task_id: string }) => task_id === 'validate').doc).toContain('**flaky**')
  const { text } = await site.get('/dags/etl/details')
  expect(text).toContain('Owner: data team')
  expect(text).toContain('<h2>What it loads</h2>')
  expect(text).toContain('&lt;script&gt;alert(1)')
  expect(text).not.toContain('<script>alert')
  expect(text).not.toContain('<img src=x')
  expect((await site.get('/dags/etl/runs/order:7/tasks/validate')).text).toContain('<strong>flaky</strong>')
})

describe('a run that no running process will execute', () => {
  const trigger = () => read('/dags/etl/dagRuns', json({ conf: { source: 'files' } }))

  test('is triggered with a warning that says what to do, in the API and on the page', async () => {
    await withLoaded({}, async () => {
      const { status, body } = await trigger()
      const says = expect.stringMatching(
        /^No running process has loaded dag 'etl', so the run stays queued\. Restart start \(process/,
      )
      expect([status, body.warning]).toEqual([201, says])
      expect((await site.get('/dags/etl/trigger')).text).toContain('No running process has loaded dag')
    })
    await withLoaded({ etl: 'another graph' }, async () => {
      expect((await trigger()).body.warning).toMatch(/^start \(process .*\) has loaded another version of dag 'etl'/)
    })
    expect((await trigger()).body.warning).toBe(null)
  })

  test('is not created by clearing a run of a dag whose code is missing', async () => {
    await aRun(openMetadata(site.database.pool, 'metadata'), { dagId: 'gone', runId: 'one', state: 'failed' })
    const says = "Dag 'gone' is not in the pipelines folder. Restore its folder first."
    expect((await read('/dags/gone/dagRuns/one')).status).toBe(200)
    const cleared = await read('/dags/gone/dagRuns/one/clear', json({}))
    expect([cleared.status, cleared.body.detail]).toEqual([404, says])
    expect((await site.get('/dags/gone/runs/one/clear')).status).toBe(404)
    const page = await site.get('/dags/gone/runs/one')
    expect([page.status, page.text.includes('/clear')]).toEqual([200, false])
  })
})

test('a viewer may not delete, note or clear, and an operator may not delete a dag', async () => {
  for (const role of ['viewer', 'operator'] as const) await site.addUser(role, role)
  const run = '/dags/etl/dagRuns/latest'
  const status = async (name: string, path: string, init: RequestInit) => {
    const headers = { ...(init.headers as Record<string, string>), cookie: await site.login(name) }
    return (await site.get(path, { ...init, headers })).status
  }
  const remove = { method: 'DELETE' }
  for (const [path, init] of [
    [`/api/v1${run}`, remove],
    ['/api/v1/dags/etl', remove],
    [`/api/v1${run}`, { ...json({ note: 'x' }), method: 'PATCH' }],
    ['/api/v1/dags/etl/dagRuns/clear', json({ state: 'failed' })],
    ['/dags/etl/clear', {}],
    ['/dags/etl/runs/latest/delete', {}],
    ['/dags/etl/runs/latest/note', {}],
    ['/dags/etl/delete', {}],
  ] as const)
    expect([path, await status('viewer', path, init)]).toEqual([path, 403])
  expect(await status('operator', '/api/v1/dags/etl', remove)).toBe(403)
  expect(await status('operator', '/dags/etl/delete', {})).toBe(403)
  expect(await status('operator', '/dags/etl/runs/latest/delete', {})).toBe(200)
})
