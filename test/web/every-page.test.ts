import { readFileSync } from 'node:fs'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { picture } from '../../pipelines/rocket-launches/demo/picture.ts'
import { createLaunchDatabase, useDatabase } from '../support/database.ts'
import { BROWSER, findingsOf, newPage, useBrowser } from './browser.ts'
import { NO_PAGES, openRoutes, PAGES, routeOf, type Visit } from './pages.ts'
import type { OpenSite } from './site.ts'
import { openWholeSite, PICTURES } from './whole-site.ts'

const MOST_BYTES = 150_000
const IN_PAGE = readFileSync(new URL('in-page.js', import.meta.url), 'utf8')
const VIDEO = /^document https:\/\/www\.youtube-nocookie\.com\/embed\/[\w-]{11}\?autoplay=1$/
const PHONE = { viewport: { width: 390, height: 800 } }
const SCREENS = {
  desktop: { viewport: { width: 1440, height: 900 } },
  phone: PHONE,
  bare: { ...PHONE, javaScriptEnabled: false },
  korean: { ...PHONE, locale: 'ko-KR' },
} satisfies Record<string, BrowserContextOptions>
type Screen = keyof typeof SCREENS

/** The pages for readers of launches are in the reader's language. */
const TRANSLATED = ['/', '/map', '/launches/:id', '/figures']

/** One tab of the browser: the errors on its console, and what its page asked other hosts for. */
interface Tab {
  page: Page
  complaints: string[]
  foreign: string[]
}

interface Visited extends Tab {
  html: string
  status: number
}

interface Form {
  method: 'GET' | 'POST'
  path: string
  fields: [string, string][]
}

test('the list of pages has every route of the site, and no other', async () => {
  const { routes } = await openRoutes()
  const own = routes.filter(({ method, path }) => method === 'GET' && !/^\/(api|rocket-launches)\//.test(`${path}/`))
  expect([...new Set(own.map(({ path }) => path))].sort()).toEqual([...Object.keys(PAGES), ...NO_PAGES].sort())
})

describe.skipIf(BROWSER === undefined)('every page', () => {
  const database = useDatabase(createLaunchDatabase)
  const browser = useBrowser()
  let site: OpenSite
  let cookie: string
  const tabs = new Map<string, Tab>()
  const titles = new Map<string, string>()
  const linked = new Map<string, string>()
  const forms = new Map<string, Form>()

  beforeAll(async () => {
    site = await openWholeSite(database)
    await site.addUser('ada', 'admin')
    cookie = await site.login('ada')
  })
  afterAll(() => site?.close())

  /** Without the CSP, so that a request to another host is seen, not blocked. */
  async function openTab(screen: Screen, signedIn: boolean): Promise<Tab> {
    const context = await browser.newContext({
      ...{ baseURL: site.url, bypassCSP: true, reducedMotion: 'reduce', timezoneId: 'UTC', locale: 'en-US' },
      ...SCREENS[screen],
    })
    const [name = '', value = ''] = cookie.split('=')
    if (signedIn) await context.addCookies([{ name, value, url: site.url }])
    const foreign: string[] = []
    await context.route(/^https:/, async (route) => {
      const [kind, url] = [route.request().resourceType(), route.request().url()]
      foreign.push(`${kind} ${url}`)
      const body = url.startsWith(PICTURES) ? picture(/images\/(\w+)\.png/.exec(url)?.[1] ?? '') : undefined
      await (body === undefined ? route.abort() : route.fulfill({ body, contentType: 'image/png' }))
    })
    return { ...(await newPage(context)), foreign }
  }

  /** Opens the page of a visit. The login page is for strangers only. */
  async function visit(screen: Screen, one: Visit): Promise<Visited> {
    const { path, act } = typeof one === 'string' ? { path: one, act: undefined } : one
    const signedIn = path !== '/login'
    const tab = tabs.get(`${screen} ${signedIn}`) ?? (await openTab(screen, signedIn))
    tabs.set(`${screen} ${signedIn}`, tab)
    tab.complaints.length = 0
    tab.foreign.length = 0
    await tab.page.setViewportSize(SCREENS[screen].viewport)
    const answer = await tab.page.goto(path)
    const html = (await answer?.text()) ?? ''
    await act?.(tab.page)
    await tab.page.evaluate(IN_PAGE)
    return { ...tab, html, status: answer?.status() ?? 0 }
  }
  const ask = <T>(page: Page, question: string) => page.evaluate(`inPage.${question}()`) as Promise<T>

  const visits = Object.entries(PAGES).flatMap(([route, all]) => all.map((one) => [nameOf(one), one, route] as const))

  test.each(visits)('%s: fits, has no axe finding, is whole without scripts', async (name, one, route) => {
    const [desktop, phone, bare] = await Promise.all([visit('desktop', one), visit('phone', one), visit('bare', one)])
    expect(Buffer.byteLength(desktop.html)).toBeLessThanOrEqual(MOST_BYTES)
    await expectHead(desktop.page, one)
    await Promise.all([expectNoFinding(desktop), expectNoFinding(phone)])
    await desktop.page.keyboard.press('Tab')
    expect(await ask(desktop.page, 'withoutFocus')).toEqual([])
    await collect(desktop.page, one)

    for (const { page } of [phone, bare]) await expectNoScroll(page, name)
    await expectWhole(phone.page, bare.page)
    if (route === '/launches/:id') await expectVideoAfterClick(phone)
    expectQuiet(bare)

    if (!TRANSLATED.includes(route)) return
    const korean = await visit('korean', one)
    expect((await ask<{ lang: string }>(korean.page, 'head')).lang).toBe('ko')
    await expectNoScroll(korean.page, name)
    await expectNoFinding(korean)
  })

  function nameOf(one: Visit): string {
    return typeof one === 'string' ? one : `${one.path} after a click`
  }

  async function expectHead(page: Page, one: Visit): Promise<void> {
    const { h1, title, lang } = await ask<{ h1: number; title: string; lang: string }>(page, 'head')
    expect([h1, lang]).toEqual([1, 'en'])
    const [path = ''] = (typeof one === 'string' ? one : one.path).split('?')
    expect([title, titles.get(title) ?? path]).toEqual([title, path])
    titles.set(title, path)
  }

  /** No finding of axe in light and dark, no error on the console, no request to another host but for pictures. */
  async function expectNoFinding({ page, foreign, ...seen }: Visited): Promise<void> {
    expect(foreign.filter((text) => !text.startsWith('image '))).toEqual([])
    expect(await findingsOf(page, 'light')).toEqual([])
    expect(await findingsOf(page, 'dark')).toEqual([])
    expectQuiet(seen)
  }

  /** No error on the console, which also names the status of a page that is not there. */
  function expectQuiet({ complaints, status }: Pick<Visited, 'complaints' | 'status'>): void {
    const own = status >= 400 ? `status of ${status}` : undefined
    expect(complaints.filter((text) => own === undefined || !text.includes(own))).toEqual([])
  }

  async function expectVideoAfterClick({ page, foreign }: Tab): Promise<void> {
    await page.getByRole('button', { name: 'Play here' }).click()
    await expect
      .poll(() => foreign.filter((text) => !text.startsWith('image ')))
      .toEqual([expect.stringMatching(VIDEO)])
  }

  async function collect(page: Page, one: Visit): Promise<void> {
    for (const link of await ask<string[]>(page, 'links')) linked.set(link, nameOf(one))
    for (const form of await ask<Form[]>(page, 'forms')) forms.set(JSON.stringify(form), form)
  }

  async function expectNoScroll(page: Page, name: string): Promise<void> {
    for (const width of [320, 390]) {
      await page.setViewportSize({ width, height: 800 })
      expect([name, width, await ask(page, 'wider')]).toEqual([name, width, []])
    }
  }

  /** Without scripts the page has all texts and controls that it has with scripts, and each control works. */
  async function expectWhole(full: Page, bare: Page): Promise<void> {
    expect(await ask(bare, 'useless')).toEqual([])
    const [controls, bareControls] = [await ask<string[]>(full, 'controls'), await ask<string[]>(bare, 'controls')]
    expect(controls.filter((one) => !bareControls.includes(one))).toEqual([])
    const [lines, bareLines] = [await ask<string[]>(full, 'lines'), await ask<string[]>(bare, 'lines')]
    expect(lines.filter((one) => !bareLines.includes(one))).toEqual([])
    expect(lines.length).toBeGreaterThan(5)
  }

  test('every link leads to a page', async () => {
    const app = await openRoutes()
    const asked = new Map<string, string>()
    for (const [link, from] of linked) {
      const { pathname, searchParams } = new URL(link, site.url)
      const route = routeOf(app, 'GET', pathname)
      expect([from, link, route]).toEqual([from, link, expect.any(String)])
      asked.set(`${route} ${[...searchParams.keys()].sort()}`, link)
    }
    for (const link of asked.values()) {
      const { status } = await site.get(link, { headers: { cookie } })
      expect([link, status]).toEqual([link, expect.toSatisfy((code: number) => code < 400)])
    }
  })

  test('every form is accepted as a browser without scripts sends it', async () => {
    for (const { method, path, fields } of [...forms.values()].sort((a, b) => lastOf(a) - lastOf(b))) {
      const body = new URLSearchParams(fields)
      const query = method === 'GET' ? `${path.split('?')[0]}?${body}` : path
      const { status } = await site.get(query, { headers: { cookie }, ...(method === 'POST' && { method, body }) })
      const accepted = method === 'GET' ? [200] : path === '/login' ? [401] : [200, 303, 400, 409]
      expect([method, path, fields, status]).toEqual([
        method,
        path,
        fields,
        expect.toSatisfy((code: number) => accepted.includes(code)),
      ])
    }
  })

  /** What deletes or ends something comes last. */
  function lastOf({ path, fields }: Form): number {
    const order = [/delete/, /users/, /account/, /logout/]
    return order.findIndex((one) => one.test(`${path} ${fields}`))
  }
})
