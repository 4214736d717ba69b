/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Time } from 'tminus/web'
import type { PageWords } from '../../launches/words/page-en.ts'
import { launchPath, StatusMark } from './parts.tsx'
import type { BriefLaunch } from './related.ts'
import { brief } from './words.ts'

interface EarlierProps {
  boosters: readonly { serial: string; launches: readonly BriefLaunch[] }[]
  fromPad: readonly BriefLaunch[]
  words: PageWords
  base: string
}

/** Earlier launches of the same boosters and from the same pad, as far as they are stored. */
export function Earlier({ boosters, fromPad, words, base }: EarlierProps) {
  const groups = [
    ...boosters.map(({ serial, launches }) => ({ title: words.ofBooster(brief(serial, 40)), launches })),
    { title: words.fromPad, launches: fromPad },
  ].filter(({ launches }) => launches.length > 0)
  if (groups.length === 0) return null
  return (
    <section aria-labelledby="earlier">
      <h2 id="earlier">{words.earlier}</h2>
      <div class="columns">
        {groups.map(({ title, launches }) => (
          <div>
            <h3>{title}</h3>
            <ol class="earlier">
              {launches.map((launch) => (
                <li>
                  <Time at={launch.net} show="date" />
                  <a href={launchPath(base, launch.launch_id)}>{brief(launch.name, 100)}</a>
                  <StatusMark launch={launch} short />
                </li>
              ))}
            </ol>
          </div>
        ))}
      </div>
    </section>
  )
}
