import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { BROWSER, newPage, openBrowser, RESULTS, SCREENS } from './browser.ts'
import { json, PASSWORD, type StartedSite, startSite } from './support.ts'

/** The actions of a user, in a real browser against a real process and Postgres. */
describe.skipIf(BROWSER === undefined)('in a browser', () => {
  let browser: Browser
  let site: StartedSite

  beforeAll(async () => {
    ;[browser, site] = await Promise.all([openBrowser(), startSite()])
  })
  afterAll(async () => {
    await browser?.close()
    await site?.close()
  })

  test.each(['desktop-light', 'phone-dark'] as const)(
    'a user triggers with a wrong and a right param, watches the run fail, reads why, clears it, sees it succeed: %s',
    async (screen) => {
      const context = await browser.newContext({ ...SCREENS[screen], baseURL: site.url })
      const { page, complaints } = await newPage(context)
      const shown = (what: string) => page.screenshot({ path: `${RESULTS}walk-${what}-${screen}.png`, fullPage: true })
      await page.goto('/')
      expect(page.url()).toBe(`${site.url}/dags`)
      await shown('1-first-visit')
      await page.getByRole('link', { name: 'Trigger etl' }).click()
      await page.getByLabel('source').fill('fl')
      await page.getByRole('button', { name: 'Trigger etl' }).click()
      await page.getByText('At least three letters').waitFor()
      expect(await page.getByLabel('source').getAttribute('aria-invalid')).toBe('true')
      expect(await page.getByLabel('source').inputValue()).toBe('fl')
      await shown('2-wrong-param')
      complaints.length = 0 // the console logs the 400
      await page.getByLabel('source').fill('flaky')
      await page.getByLabel('rows').fill('150')
      await page.getByRole('button', { name: 'Trigger etl' }).click()

      await page.waitForURL(/\/runs\/manual__/)
      const run = page.url()
      const row = (task: string) =>
        page.locator('tr').filter({ has: page.getByRole('link', { name: task, exact: true }) })
      await row('extract').locator('.state.running').waitFor()
      await shown('3-running')
      await row('validate').locator('.state.failed').waitFor()
      await page.locator('.head .state.failed').waitFor()
      await shown('4-failed')

      await row('extract').getByRole('link', { name: 'extract', exact: true }).click()
      await page.locator('.line').first().waitFor()
      expect(await page.locator('.line').count()).toBe(150)
      await page.goto(run)
      await row('validate').getByRole('link', { name: 'validate', exact: true }).click()
      await page.getByText('the source said <b>no</b>').first().waitFor()
      await page.getByText('looking at flaky closely').waitFor()
      await shown('5-log')
      await page.getByLabel('Minimum level').selectOption('error')
      await page.getByText('No matching line').waitFor()
      const download = page.waitForEvent('download')
      await page.getByRole('link', { name: 'Download' }).click()
      expect((await download).suggestedFilename()).toBe('validate-try-1.log')

      await page.goto(`${run}/tasks/load_warehouse`)
      await page.getByText('never started', { exact: true }).waitFor()
      await page.getByText('It never started (upstream_failed: validate failed)').waitFor()

      await page.goto(run)
      await page.getByRole('link', { name: 'Clear failed tasks' }).click()
      await page.getByText('4 of 6 tasks will run again').waitFor()
      await shown('6-clear')
      await page.getByRole('button', { name: 'Clear 4 tasks' }).click()
      await page.waitForURL(run)
      await page.locator('.head .state.success').waitFor()
      await shown('7-green')
      await row('validate').getByRole('link', { name: 'validate', exact: true }).click()
      await page.getByRole('link', { name: /Try 1/ }).click()
      await page.getByText('the source said <b>no</b>').first().waitFor()
      expect(complaints).toEqual([])
      await context.close()
    },
  )

  test('a user finds a failed run from the home page, reads its cause, clears it and sees it succeed, in six clicks', async () => {
    const { page, complaints } = await newPage(await browser.newContext({ baseURL: site.url }))
    await site.get('/api/v1/dags/etl/dagRuns', json({ run_id: 'to-be-found', conf: { source: 'flaky', rows: 1 } }))
    await page.goto('/dags')
    await page.locator('#total-failed svg').waitFor()
    let clicks = 0
    const click = async (name: string | RegExp, role: 'link' | 'button' = 'link') => {
      await page.getByRole(role, { name }).first().click()
      clicks++
    }
    await click(/failed in the last 24 hours/)
    await page.waitForURL(/\/runs\?state=failed/)
    await click('to-be-found')
    await page.getByText('validate failed: the source said <b>no</b>').waitFor()
    await click('validate')
    await page.locator('.stack-text').getByText('the source said <b>no</b>').waitFor()
    await click('to-be-found')
    await click('Clear failed tasks')
    await click('Clear 4 tasks', 'button')
    await page.locator('.head .state.success').waitFor()
    expect(clicks).toBe(6)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('a growing log is shown live', async () => {
    const { page } = await newPage(await browser.newContext({ baseURL: site.url }))
    const { text } = await site.get('/api/v1/dags/etl/dagRuns', json({ conf: { source: 'long', rows: 50 } }))
    await page.goto(`/dags/etl/runs/${JSON.parse(text).run_id}/tasks/extract`)
    await page.getByLabel('Part of a line').fill('being typed')
    await page.getByText('row 50 of long').waitFor()
    expect(await page.getByLabel('Part of a line').inputValue()).toBe('being typed')
    await page.getByText('"rows": 50').waitFor()
    await page.context().close()
  })

  test('after a lost connection the page reconnects and shows what it missed', async () => {
    const context = await browser.newContext({ baseURL: site.url })
    const { page } = await newPage(context)
    await page.goto('/dags/wide')
    await context.setOffline(true)
    await site.get('/api/v1/dags/wide/dagRuns', json({}))
    await context.setOffline(false)
    await page.locator('table').last().getByText('success').first().waitFor()
    await context.close()
  })

  test('the list of pipelines updates live, and keeps the focus and the search text', async () => {
    const { page, complaints } = await newPage(await browser.newContext({ baseURL: site.url }))
    await page.goto('/dags?search=e')
    await page.evaluate('window.stays = true')
    const row = (dag: string) =>
      page.getByRole('row').filter({ has: page.getByRole('link', { name: dag, exact: true }) })
    const bars = async () => await row('etl').locator('rect').count()
    const before = await bars()
    await page.getByRole('link', { name: 'Trigger wide' }).focus()
    await site.get('/api/v1/dags/etl/dagRuns', json({ run_id: 'held', conf: { source: 'held' } }))
    await expect.poll(bars).toBe(Math.min(25, before + 1))
    await row('etl').locator('.state.running').waitFor()
    await site.get('/api/v1/dags/etl/dagRuns/held/cancel', json({}))
    await row('etl').locator('.state.failed').waitFor()
    expect(await page.evaluate('document.activeElement.id')).toBe('trigger-wide')
    // The reloaded address does not contain text that was typed but not yet searched for.
    await page.route(/search=et/, () => {})
    await page.getByLabel("Part of a dag's id").press('End')
    await page.getByLabel("Part of a dag's id").pressSequentially('t')
    await site.get('/api/v1/dags/etl/dagRuns', json({ conf: { source: 'followed', rows: 1 } }))
    await expect.poll(bars).toBe(Math.min(25, before + 2))
    await row('etl').locator('.state.success').waitFor()
    expect(await page.getByLabel("Part of a dag's id").inputValue()).toBe('et')
    expect(await page.evaluate('document.activeElement.id + window.stays')).toBe('searchtrue')
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('a next run that no process starts is shown as overdue', async () => {
    const { page, complaints } = await newPage(await browser.newContext({ baseURL: site.url }))
    const row = page.getByRole('row', { name: 'nightly' })
    await page.goto('/dags')
    await row.getByText(/^in \d+ (hour|minute|second)s?$/).waitFor()
    await page.clock.setFixedTime(Date.now() + 86_400_000)
    await page.goto('/dags')
    await row.getByText(/^was due \d+ (hour|minute|second)s? ago$/).waitFor()
    await page.goto('/dags/nightly')
    await page.getByText(/, next was due \d+ (hour|minute|second)s? ago$/).waitFor()
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('a user marks, cancels, pauses and searches', async () => {
    const { page, complaints } = await newPage(await browser.newContext({ baseURL: site.url }))
    await page.goto('/dags')
    const nightly = page.getByRole('switch', { name: 'Schedule of nightly' })
    expect(await nightly.getAttribute('aria-checked')).toBe('true')
    const paused = page.locator('tr', { has: nightly }).getByText('paused')
    await nightly.click()
    await paused.waitFor()
    expect(await nightly.getAttribute('aria-checked')).toBe('false')
    await nightly.click()
    await paused.waitFor({ state: 'detached' })
    expect(await nightly.getAttribute('aria-checked')).toBe('true')
    await page.goto('/dags/etl/runs/latest')
    await page.getByRole('link', { name: 'Mark extract' }).click()
    await page.getByText('The run ends as failed').waitFor()
    await page.getByRole('radio', { name: 'success' }).check()
    await page.getByRole('button', { name: 'Mark task' }).click()
    await page.getByRole('alert').getByText('give a value').waitFor()
    await page.getByRole('radio', { name: 'failed' }).check()
    await page.getByRole('button', { name: 'Mark task' }).click()
    await page.waitForURL(/runs\/[^/]+$/)
    expect(complaints.filter((one) => !one.includes('400'))).toEqual([])
    await page.context().close()
  })

  test('a user without scripts triggers a run and sees it', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false, baseURL: site.url })
    const page = await context.newPage()
    await page.goto('/dags/etl/trigger')
    await page.getByLabel('source').fill('plain')
    await page.getByRole('button', { name: 'Trigger etl' }).click()
    await page.waitForURL(/\/runs\/manual__/)
    await page.getByText(/UTC/).first().waitFor()
    await context.close()
  })

  test('the keyboard reaches everything', async () => {
    const { page } = await newPage(await browser.newContext({ baseURL: site.url }))
    await page.goto('/dags')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toContain('Skip to content')
    const seen = new Set<unknown>()
    for (let press = 0; press < 40; press++) {
      await page.keyboard.press('Tab')
      seen.add(
        await page.evaluate('document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent'),
      )
    }
    for (const name of ['Pipelines', 'etl', 'Schedule of wide', 'Trigger etl']) expect([...seen]).toContain(name)
    await page.context().close()
  })

  test('a user signs in and out; a viewer sees only actions of a viewer', async () => {
    await site.addUser('vera', 'viewer')
    await site.addUser('ada', 'admin')
    const context = await browser.newContext({ baseURL: site.url, bypassCSP: true })
    const page = await context.newPage()
    await page.goto('/dags/etl')
    await page.waitForURL(/\/login\?next=/)
    const signIn = async (name: string, password: string) => {
      await page.getByLabel('Name').fill(name)
      await page.getByLabel('Password').fill(password)
      await page.getByRole('button', { name: 'Sign in' }).click()
    }
    await signIn('vera', 'wrong')
    await page.getByRole('alert').getByText('Name or password is wrong').waitFor()
    await signIn('vera', PASSWORD)
    await page.waitForURL(/\/dags\/etl$/)
    expect(await page.getByRole('link', { name: 'Trigger' }).count()).toBe(0)
    await page.goto('/dags/etl/trigger')
    await page.getByText('This needs the role operator; your role is viewer.').waitFor()
    await page.goto('/dags')
    expect(await page.getByRole('link', { name: /Trigger/ }).count()).toBe(0)
    expect(await page.getByRole('switch').count()).toBe(0)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(/\/login$/)
    // On a slow machine, the first waits are over before the next try. They double, so a later try is refused.
    await vi.waitFor(
      async () => {
        await signIn('ada', 'wrong')
        expect(await page.getByRole('alert').textContent()).toContain('Too many tries')
      },
      { timeout: 60_000, interval: 0 },
    )
    await vi.waitFor(
      async () => {
        await signIn('ada', PASSWORD)
        expect(page.url()).toMatch(/\/dags$|\/$/)
      },
      { timeout: 60_000, interval: 1_000 },
    )
    await context.close()
  })

  test('a user ends a session and subscribes to the calendar, with and without scripts', async () => {
    const shipped = await startSite('web')
    for (const role of ['operator', 'admin'] as const) await shipped.addUser(role, role)
    for (const javaScriptEnabled of [true, false]) {
      await shipped.login('admin')
      const context = await browser.newContext({ baseURL: shipped.url, javaScriptEnabled })
      const [cookie = ''] = (await shipped.login('admin')).split(';')
      const [name = '', value = ''] = cookie.split('=')
      await context.addCookies([{ name, value, url: shipped.url }])
      const page = await context.newPage()
      await page.goto('/account')
      await page.getByRole('button', { name: 'End all other sessions' }).click()
      await page.getByRole('status').getByText('Ended').waitFor()
      expect(await page.getByRole('row').filter({ hasText: 'this browser' }).count()).toBe(1)
      await page.getByRole('button', { name: /^(Create a calendar address|Replace the address)$/ }).click()
      const address = await page.getByLabel('Subscribe to /launches.ics').inputValue()
      expect((await fetch(address)).headers.get('content-type')).toContain('text/calendar')
      await context.close()
    }
    await shipped.close()
  })
})
