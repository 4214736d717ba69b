import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const MINUTE = 60_000
const FOLDER = new URL('./replay/', import.meta.url)

interface Line {
  text: string
  at: number
  /** `edit`, or the kind of the post. */
  kind: string
  launch: string
  /** The lines of the message, or what an edit changed. */
  facts: string[]
}

/** The lines of a story, see `Replay.story`. A launch's name contains the separator. */
function read(file: string): Line[] {
  const lines = readFileSync(new URL(file, FOLDER), 'utf8').trimEnd().split('\n')
  return lines.map((text) => {
    const [, at = '', kind = '', launch = '', facts = ''] =
      /^(\S+ \S+) (?:post )?(\w+) \| (.*) \| (.*)$/.exec(text) ?? []
    return { text, at: Date.parse(at.replace(' ', 'T')), kind, launch, facts: facts.split(' · ') }
  })
}

/**
 * True if the channel showed the facts of a line from when each notice was its own post: in a line about the same
 * launch, at most 15 minutes earlier or later.
 */
function isTold(old: Line, now: readonly Line[]): boolean {
  const near = now.filter(({ at, launch }) => launch === old.launch && Math.abs(at - old.at) <= 15 * MINUTE)
  const shown = near.flatMap(({ facts }) => facts)
  // A card or slip shows T-0 with a countdown, which is what a reminder says.
  const wanted = old.kind === 'reminder' || old.kind === 'webcast' ? old.facts.slice(1) : old.facts
  const isShown = (fact: string) => shown.some((one) => one.includes(fact.replaceAll('**', '')))
  return near.length > 0 && wanted.every(isShown) && (old.kind !== 'webcast' || isShown('Webcast is live'))
}

describe.each(readdirSync(new URL('before/', FOLDER)))('%s', (file) => {
  const before = read(`before/${file}`)
  const now = read(file)

  it('every fact that was told when each notice was a post is told', () => {
    expect(before.filter((line) => !isTold(line, now)).map(({ text }) => text)).toEqual([])
  })

  it('no two posts about a launch are within 15 minutes, unless its status or T-0 changed', () => {
    const posts = now.filter(({ kind }) => kind !== 'edit')
    const near = posts.flatMap((post, index) =>
      posts
        .slice(0, index)
        .filter(({ at, launch }) => launch === post.launch && post.at - at < 15 * MINUTE)
        .map((one) => `${one.text}\n${post.text}`),
    )
    expect(near.filter((pair) => !/ post (slip|hold|go|liftoff|result) .*$/.test(pair))).toEqual([])
  })

  it('fewer posts, and the posts that are left are the same', () => {
    const count = (lines: Line[]) => lines.filter(({ kind }) => kind !== 'edit').length
    expect(count(now)).toBeLessThan(count(before))
  })
})
