/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Age } from './age.ts'
import { RelativeTime } from './parts.tsx'

/** "As of 4 min ago · next look in 11 min · 9 of 15 calls left" */
export function DataAge({ age: { asOf, nextLook, calls }, now, base }: { age: Age; now: Date; base: string }) {
  if (asOf === undefined) return null
  return (
    <p class="data-age">
      <span>
        As of <RelativeTime at={asOf} now={now} />
      </span>
      <span>next look {nextLook === undefined ? 'is due' : <RelativeTime at={nextLook} now={now} />}</span>
      {calls && (
        <span>
          {calls.left.toLocaleString('en')} of {calls.limit.toLocaleString('en')} calls left
        </span>
      )}
      <span>
        data by{' '}
        <a href="https://thespacedevs.com/llapi" rel="noreferrer noopener" target="_blank">
          Launch Library 2
        </a>
      </span>
      <span>
        <a href={`${base}/outbox`}>outbox</a>
      </span>
      <span>
        <a href={`${base}/rejects`}>rejects</a>
      </span>
    </p>
  )
}
