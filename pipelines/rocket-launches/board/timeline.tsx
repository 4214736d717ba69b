/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Time } from 'tminus/web'
import type { LaunchStory } from '../../launches/launch-story.ts'
import type { PageWords } from '../../launches/words/page-en.ts'
import type { BoardLaunch } from './query.ts'
import { brief, isTimed } from './words.ts'

interface TimelineProps {
  launch: BoardLaunch
  timeline: LaunchStory['timeline']
  words: PageWords
  now: Date
}

/** The steps of the countdown and the flight on a vertical line. Steps that have passed are filled. */
export function Timeline({ launch, timeline, words, now }: TimelineProps) {
  if (timeline.length === 0) return null
  const isCounting = isTimed(launch) && launch.vanished_at === null && launch.status_id !== HOLD
  const passed = isCounting ? timeline.filter(({ atMs }) => launch.net.getTime() + atMs <= now.getTime()).length : 0
  return (
    <section aria-labelledby="countdown" class="card">
      <h2 id="countdown">{words.countdown}</h2>
      <ol class="steps">
        {timeline.map(({ atMs, name, text }, index) => (
          <li class={stepClass(atMs, index, passed)}>
            <span class="step-at">{countdownText(atMs)}</span>
            <span class="step-text">
              <strong>{brief(name, 80)}</strong>
              {text && <span class="sub">{brief(text, 160)}</span>}
              {isCounting && atMs === 0 && (
                <span class="sub">
                  <Time at={launch.net} />
                </span>
              )}
            </span>
          </li>
        ))}
      </ol>
    </section>
  )
}

const HOLD = 5

function stepClass(atMs: number, index: number, passed: number): string {
  return [
    index < passed ? 'passed' : 'ahead',
    ...(index === passed - 1 ? ['latest'] : []),
    ...(atMs === 0 ? ['zero'] : []),
  ].join(' ')
}

/** `T−38:00`, `T+1:01:49`, `T-0` */
export function countdownText(atMs: number): string {
  if (atMs === 0) return 'T−0'
  const total = Math.round(Math.abs(atMs) / 1_000)
  const [hours, minutes, seconds] = [Math.floor(total / 3_600), Math.floor(total / 60) % 60, total % 60]
  const two = (value: number) => String(value).padStart(2, '0')
  const clock = hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${two(minutes)}:${two(seconds)}`
  return `T${atMs < 0 ? '−' : '+'}${clock}`
}
