import { expect, test } from 'vitest'
import { pageWords } from '../../src/cli/page-words.ts'

test.each(['checkout', 'project'] as const)('in a %s the log names the address of the page', (place) => {
  expect(pageWords('http://127.0.0.1:8080', '127.0.0.1', place)).toBe('the page is at http://127.0.0.1:8080')
})

test.each(['127.0.0.1', 'localhost', '::1'])(
  'in a container a page on %s is not promised to anybody outside',
  (host) => {
    const words = pageWords('http://127.0.0.1:8080', host, 'container')
    expect(words).toContain('inside this container only; to reach it from outside set WEB_HOST=0.0.0.0, ADMIN_USER and')
    expect(words).not.toContain('http:')
  },
)

test('in a container the log says how to find out where the page is published', () => {
  expect(pageWords('http://0.0.0.0:8080', '0.0.0.0', 'container')).toBe(
    'the page listens on port 8080 of this container; docker compose port app 8080 shows where it is published',
  )
})
