import { hash } from 'node:crypto'
import { visibleText } from 'tminus'
import { html } from 'tminus/web'
import { changeText, describeChanges } from '../../launches/launch-text.ts'
import type { StoredChange } from '../../launches/read-launches.ts'
import { launchPath } from './parts.tsx'
import { brief } from './words.ts'

/**
 * Changes as an Atom feed (RFC 4287), in the given order. All changes of one launch at one time are an entry.
 * `home` is the address of the board; it may be a path.
 */
export async function feedOf(changes: readonly StoredChange[], home: string): Promise<string> {
  const entries = describeChanges(changes).map(({ seenAt, launchId, launch, facts }) => ({
    id: uuidOf(`${launchId} ${seenAt.toISOString()}`),
    title: shown(`${brief(launch, 200)}: ${facts.map(([what]) => what).join(', ')}`),
    updated: seenAt.toISOString(),
    href: launchPath(home, launchId),
    content: shown(facts.map(([what, how]) => `${what}: ${changeText(how)}`).join('\n')),
  }))
  const text = await html`<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">
<id>${uuidOf('changes of rocket launches')}</id>
<title>Changes of rocket launches</title>
<updated>${entries[0]?.updated ?? NEVER}</updated>
<author><name>T-minus, from Launch Library 2</name></author>
<link rel="self" type="application/atom+xml" href="${home}/launches.atom"/>
<link rel="alternate" type="text/html" href="${home}/"/>
${entries.map(
  ({ id, title, updated, href, content }) => html`<entry>
<id>${id}</id>
<title>${title}</title>
<updated>${updated}</updated>
<link rel="alternate" type="text/html" href="${href}"/>
<content type="text">${content}</content>
</entry>
`,
)}</feed>
`
  return `<?xml version="1.0" encoding="utf-8"?>\n${text}`
}

/** Atom requires a time. A feed without an entry has always the same, so that its ETag does not change. */
const NEVER = '1970-01-01T00:00:00Z'

/** A UUID (RFC 9562, version 8) that is always the same for a text. */
function uuidOf(text: string): string {
  const hex = hash('sha256', text, 'hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)]
  return `urn:uuid:${parts.join('-')}`
}

/** The text without invisible characters, and without those that XML 1.0 does not allow. */
function shown(text: string): string {
  return visibleText(text.replace(/[^\t\n\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, ' '))
}
