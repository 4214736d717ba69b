import { expect, test } from 'vitest'
import { Markdown } from '../../src/web/markdown.tsx'

const drawn = (text: string) => String(Markdown({ text, scrub: (given) => given.replaceAll('hunter2', '***') }))

test.each([
  ['<script>alert(1)</script>', 'script'],
  ['<img src=x onerror=alert(1)>', 'img'],
  ['![alt](https://example.org/pixel.png)', 'img'],
  ['[x](javascript:alert(1))', 'a'],
  ['[x](data:text/html,<script>alert(1)</script>)', 'a'],
  ['[x](  JaVaScRiPt:alert(1))', 'a'],
  ['<javascript:alert(1)>', 'a'],
  ['[x](/logout)', 'a'],
  ['[x]: vbscript:x\n\n[x]', 'a'],
])('Markdown %j draws no element %s of it', (text, element) => {
  const html = drawn(text)
  const links = [...html.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)
  expect(element === 'a' ? links : html.includes(`<${element}`)).toEqual(element === 'a' ? [] : false)
})

test('Markdown draws headings below that of the page, links without a referrer, and no secret', () => {
  expect(drawn('# One\n\n##### Five')).toContain('<h2>One</h2>\n<h6>Five</h6>')
  expect(drawn('[x](https://example.org/?a=1&b="2")')).toContain('rel="noopener noreferrer"')
  expect(drawn('the password is hunter2')).toContain('the password is ***')
})
