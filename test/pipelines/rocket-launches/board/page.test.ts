import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { nearestLaunch } from '../../../../pipelines/launches/upcoming.ts'
import { EN } from '../../../../pipelines/launches/words/en.ts'
import { sampleLaunches } from '../../../../pipelines/rocket-launches/demo/launches.ts'
import { picture } from '../../../../pipelines/rocket-launches/demo/picture.ts'
import { factsOf } from '../../../../pipelines/rocket-launches/discord/card-facts.ts'
import { launchCard } from '../../../../pipelines/rocket-launches/discord/card-message.ts'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { withId } from '../../../support/launches.ts'
import { WITHIN } from '../../../support/within.ts'
import { BROWSER, expectFit, newPage, openBrowser, SCREENS } from '../../../web/browser.ts'
import { store, useBoard } from './board-site.ts'

/** The page uses the server's clock, not the browser's. */
const NOW = new Date('2026-03-14T09:26:53Z')

describe.skipIf(BROWSER === undefined)('the board in a browser', () => {
  const database = useDatabase(createLaunchDatabase)
  let browser: Browser
  let slipped: string
  const began = Date.now()
  const now = () => new Date(NOW.getTime() + Date.now() - began)

  beforeAll(async () => {
    browser = await openBrowser()
  })
  const site = useBoard(database, now)
  afterAll(async () => {
    await browser?.close()
  })
  beforeEach(async () => {
    await database.pool.query('truncate rocket_launches, rocket_launch_changes, discord_outbox, rocket_launch_sync')
    await database.pool.query('truncate metadata.dag cascade')
    slipped = await seed()
  })

  /** The sample launches. The next one has moved twice and has a card on Discord. */
  async function seed(): Promise<string> {
    const sample = sampleLaunches(NOW, { origin: 'https://pictures.test' })
    const next = sample.find(({ net }) => Date.parse(net) > NOW.getTime())
    const moved = (hours: number, days: number, precision = 1) => {
      const net = new Date(Date.parse(next?.net ?? '') + hours * 3_600_000).toISOString().replace('.000Z', 'Z')
      const seen = new Date(NOW.getTime() - days * 86_400_000)
      const last_updated = seen.toISOString()
      const launch = { ...next, net, last_updated, net_precision: withId(precision) }
      return store(database.pool, [launch], seen)
    }
    await moved(-400, 30, 7)
    await moved(-48, 20)
    await moved(30, 10)
    await store(database.pool, sample, new Date(NOW.getTime() - 60_000))
    const source = 'https://ll.thespacedevs.com/2.3.0/launches/upcoming/'
    await database.pool.query(
      'insert into rocket_launch_sync (source, last_attempt_at, last_success_at) values ($1, $2, $2)',
      [source, new Date(NOW.getTime() - 60_000).toISOString()],
    )
    const launch = await nearestLaunch(database.pool, NOW)
    if (launch === undefined) throw new Error('no sample launch is to come')
    for (const [kind, facts] of [
      ['card', factsOf(launch)],
      ['reminder', {}],
    ] as const)
      await database.pool.query(
        `insert into discord_outbox
           (target, launch_id, kind, subject, state, facts, facts_hash, message, message_id, sent_at, reason_told)
         values ('1', $1, $2, $2, 'sent', $3, '', $4, '2', now(), 'why')`,
        [
          launch.launch_id,
          kind,
          JSON.stringify(facts),
          JSON.stringify(launchCard(launch, { now: NOW, dataAsOf: NOW }, EN)),
        ],
      )
    return `/launches/${launch.launch_id}`
  }

  async function open(options: BrowserContextOptions, pictures = true) {
    const context = await browser.newContext(options)
    // No request leaves this machine: the sample's pictures are served here.
    await context.route(/^https:/, (route) => {
      const [, name = ''] = /media\/images\/(\w+)\.png/.exec(route.request().url()) ?? []
      const body = pictures ? picture(name) : undefined
      return body ? route.fulfill({ body, contentType: 'image/png' }) : route.abort()
    })
    return { context, ...(await newPage(context)) }
  }
  const within = async (
    options: BrowserContextOptions,
    work: (page: Page, context: BrowserContext) => Promise<void>,
  ) => {
    const { context, page, complaints } = await open(options)
    await work(page, context)
    expect(complaints).toEqual([])
    await context.close()
  }

  test.each(['desktop-dark', 'phone-light'] as const)(
    'an empty board has no axe finding and fits: %s',
    async (screen) => {
      await within({ ...SCREENS[screen], bypassCSP: true }, async (page) => {
        await database.pool.query('truncate rocket_launches, rocket_launch_sync')
        await page.goto(site.url)
        await expectFit(page, `board-empty-${screen}`)
      })
    },
  )

  test.each([768, 1024, 3840])('fits a screen %i wide', async (width) => {
    await within({ viewport: { width, height: 900 } }, async (page) => {
      for (const path of ['/', slipped]) {
        await page.goto(site.url + path)
        expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
      }
    })
  })

  test("counts down by the server's clock and shows times in the reader's zone", async () => {
    await within({ timezoneId: 'Asia/Tokyo', locale: 'en-GB' }, async (page) => {
      await page.goto(site.url + slipped)
      const read = async () => {
        const [days = 0, hours = 0, minutes = 0, seconds = 0] = (await page.locator('.t-number').allTextContents()).map(
          Number,
        )
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
      }
      const net = Date.parse((await page.locator('[data-countdown]').getAttribute('data-countdown')) ?? '')
      const first = await read()
      expect(Math.abs(first - (net - now().getTime()) / 1_000)).toBeLessThan(10)
      await vi.waitFor(async () => expect(await read()).toBeLessThan(first - 1), WITHIN)
      const tokyo = new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Tokyo', hour: '2-digit', minute: '2-digit' })
      const when = page.locator('.when time')
      expect(await when.textContent()).toContain(tokyo.format(net))
      expect(await when.getAttribute('title')).toContain(new Date(net).toISOString().slice(11, 16))
      // The times of the changes are in the same zone as T-0.
      expect(await page.locator('.changes li li').first().textContent()).toContain(
        `→ ${await when.textContent()} (30 h`,
      )
      await page.goto(`${site.url}/?show=past`)
      await vi.waitFor(
        async () => expect(await page.locator('.launch time').first().textContent()).toMatch(/Mar/),
        WITHIN,
      )
      expect(await page.locator('.launch .away').first().textContent()).toMatch(/^\d+ (min|hours?) ago$/)
    })
  })

  test('shows changes without a reload and keeps what the reader types', async () => {
    await within({}, async (page) => {
      await database.pool.query(`insert into metadata.dag (dag_id) values ('rocket-launches')`)
      await page.goto(site.url)
      await page.evaluate('window.stays = true')
      await page.locator('#q').fill('half a wo')
      await database.pool.query(`update rocket_launches set name = 'Now called otherwise' where launch_id = $1`, [
        slipped.slice('/launches/'.length),
      ])
      // A run changes its dag's mark like this.
      await database.pool.query('update metadata.dag set is_paused = not is_paused')
      await vi.waitFor(async () => {
        expect(await page.locator('.launch-name', { hasText: 'Now called otherwise' }).count()).toBe(1)
      }, WITHIN)
      expect(await page.locator('#q').inputValue()).toBe('half a wo')
      expect(await page.evaluate('window.stays')).toBe(true)
    })
  })

  test('works without scripts: search, filter, pages, one launch', async () => {
    await within({ javaScriptEnabled: false }, async (page) => {
      await page.goto(site.url)
      await page.locator('#q').fill('vega')
      await page.locator('#q').press('Enter')
      await page.waitForURL(/q=vega/)
      const names = await page.locator('.launch-name').allTextContents()
      expect(names.length).toBeGreaterThan(0)
      for (const name of names) expect(name).toMatch(/vega/i)
      await page.locator('#q').fill('')
      await page.getByRole('button', { name: 'Search' }).click()
      await page.getByText('Filters').click()
      await page.getByRole('link', { name: /^SpaceX/ }).click()
      await page.waitForURL(/provider=SpaceX/)
      expect(await page.locator('.launch-name').count()).toBeGreaterThan(1)
      await page.locator('.launch').first().click()
      await page.waitForURL(/\/launches\//)
      expect(await page.locator('.when time').textContent()).toContain('UTC')
      expect(await page.locator('.countdown').textContent()).toContain('when this page was loaded')
      await page.goto(`${site.url}/figures`)
      await page.getByRole('link', { name: '5 years' }).click()
      await page.waitForURL(/years=5/)
      expect(await page.locator('.figure rect.of-success').count()).toBeGreaterThan(0)
      await page.getByRole('link', { name: 'Past' }).click()
      await page.locator('.chips summary').click()
      await page.locator('.chip', { hasText: 'Success' }).click()
      await page.waitForURL(/show=past&status=success/)
      expect(new Set(await page.locator('.launch .state').allTextContents())).toEqual(new Set(['Success']))
    })
  })

  test('works by keyboard', async () => {
    await within({}, async (page) => {
      await page.goto(site.url)
      for (let tabs = 0; tabs < 40; tabs++) {
        await page.keyboard.press('Tab')
        if ((await page.evaluate('document.activeElement.className')) === 'launch-name') break
      }
      await page.keyboard.press('Enter')
      await page.waitForURL(/\/launches\//)
    })
  })

  test('links from the board to a launch, and from there to other sites by name', async () => {
    await within(SCREENS['phone-light'], async (page) => {
      await page.goto(site.url)
      await page.getByRole('link', { name: 'Details' }).click()
      await page.waitForURL(/\/launches\/[^/]+$/)
      const more = page.getByRole('link', { name: 'More at spacelaunchnow.me' })
      expect(await more.getAttribute('href')).toMatch(/^https:\/\/spacelaunchnow\.me\/launch\//)
      await page.goto(site.url + slipped)
      // A chart that is wider than the phone shows its end, the current state.
      const hidden = `(({ scrollWidth, clientWidth, scrollLeft }) => [scrollLeft, scrollWidth - clientWidth - scrollLeft])`
      const [before = 0, after] = (await page.evaluate(
        `${hidden}(document.querySelector('.slips .scroll'))`,
      )) as number[]
      expect([before > 100, after]).toEqual([true, 0])
    })
  })

  test('the drawing shows where a picture does not load', async () => {
    const { context, page } = await open({}, false)
    await page.goto(site.url)
    await vi.waitFor(async () => expect(await page.locator('.hero img').count()).toBe(0), WITHIN)
    expect(await page.locator('.hero .drawn').isVisible()).toBe(true)
    await context.close()
  })

  test('requests only pictures from other hosts, and runs no stored script', async () => {
    await database.pool.query(
      `update rocket_launches set name = '<img src=x onerror=alert(1)><script>alert(2)</script>', webcast_url = 'javascript:alert(3)'`,
    )
    const { context, page, complaints } = await open({})
    const asked: string[] = []
    page.on('dialog', async (dialog) => {
      asked.push(`dialog ${dialog.message()}`)
      await dialog.dismiss()
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(site.url) && request.resourceType() !== 'image') asked.push(request.url())
    })
    for (const path of ['/', slipped]) {
      await page.goto(site.url + path)
      await page.waitForLoadState('networkidle').catch(() => {})
    }
    expect(await page.locator('h1').textContent()).toContain('<img src=x')
    expect([asked, complaints]).toEqual([[], []])
    await context.close()
  })
})
