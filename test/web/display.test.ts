import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { BROWSER, openBrowser } from './browser.ts'
import { type OpenSite, openSite } from './site.ts'
import { form } from './support.ts'

const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  site = await openSite(database)
  await aRun(site.metadata, { dagId: 'etl' })
  await database.pool.query(
    `update metadata.dag_run set started_at = '2020-03-01T12:00:00Z', ended_at = '2020-03-01T12:00:09Z'`,
  )
})
afterAll(() => site.close())

const choose = async (fields: Record<string, string>, cookie = '') => {
  const { headers } = await site.get('/display', form({ back: '/runs', ...fields }, { cookie }))
  return { cookie: headers.get('set-cookie')?.split(';')[0] ?? '', location: headers.get('location') }
}

test('a chosen zone and theme stay until the next choice, and the server draws the page with them', async () => {
  const dark = await choose({ theme: 'dark' })
  expect(dark.location).toBe('/runs')
  const both = await choose({ zone: 'utc' }, dark.cookie)
  const { text } = await site.get('/runs', { headers: { cookie: both.cookie } })
  expect(text).toContain('<html lang="en" data-theme="dark" data-zone="utc">')
  expect(text).toContain('<meta name="color-scheme" content="dark"/>')
  expect(text).toMatch(/value="dark" aria-pressed="true"/)
})

test.each([
  [{ theme: '"><script>', zone: 'mars' }, 'local.system', '/runs'],
  [{ theme: 'light', back: '//evil.example/' }, 'local.light', '/'],
])('%j sets %s and leads to %s', async (fields, value, location) => {
  expect(await choose(fields)).toEqual({ cookie: `display=${value}`, location })
})

test('a cookie with other text is ignored', async () => {
  const { text } = await site.get('/runs', { headers: { cookie: 'display=%22%3E.x' } })
  expect(text).toContain('<html lang="en" data-theme="system" data-zone="local">')
})

describe.skipIf(BROWSER === undefined)('in a browser', () => {
  const open = async (more: { javaScriptEnabled?: boolean } = {}) => {
    const browser = await openBrowser()
    const page = await browser.newPage({
      ...{ baseURL: site.url, timezoneId: 'Asia/Seoul', locale: 'en-GB', colorScheme: 'light' },
      ...more,
    })
    await page.goto('/runs')
    return { browser, page, time: page.locator('td[data-label=Start] time') }
  }

  test('the keyboard switches times to UTC and colours to dark, and back', async () => {
    const { browser, page, time } = await open()
    await time.getByText('21:00').waitFor()
    await page.getByRole('button', { name: 'UTC' }).press('Enter')
    await time.getByText('12:00').waitFor()
    await page.getByText('times are in UTC').waitFor()
    const paper = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = await paper()
    await page.getByRole('button', { name: 'Dark' }).press('Enter')
    await page.locator('html[data-theme=dark]').waitFor()
    expect(await paper()).not.toBe(light)
    await page.getByRole('button', { name: 'System' }).press('Enter')
    await page.locator('html[data-theme=system]').waitFor()
    expect(await paper()).toBe(light)
    await time.getByText('12:00').waitFor()
    await browser.close()
  })

  test('without scripts the colours can be switched, and all times are UTC', async () => {
    const { browser, page, time } = await open({ javaScriptEnabled: false })
    await time.getByText('12:00:00 UTC').waitFor()
    expect(await page.getByRole('button', { name: 'UTC' }).count()).toBe(0)
    await page.getByRole('button', { name: 'Dark' }).click()
    await page.locator('html[data-theme=dark]').waitFor()
    await browser.close()
  })

  test('on a phone the number of problems stays on the screen while the navigation scrolls', async () => {
    const { browser, page } = await open()
    await page.setViewportSize({ width: 320, height: 700 })
    await page.evaluate(`document.querySelector('.top nav').prepend(
      ...['one', 'two', 'three'].map((name) => Object.assign(document.createElement('a'), { href: '/', textContent: 'board-' + name })))`)
    const seen = `(() => {
      const [nav, badge] = [document.querySelector('.top nav'), document.querySelector('.badge')]
      return [0, 1e4].map((at) => {
        nav.scrollLeft = at
        const { left, right, top } = badge.getBoundingClientRect()
        return left >= 0 && right <= innerWidth && badge.contains(document.elementFromPoint(left + 3, top + 3))
      })
    })()`
    expect(await page.evaluate(seen)).toEqual([true, true])
    await browser.close()
  })
})
