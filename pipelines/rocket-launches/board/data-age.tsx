/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Age } from './age.ts'
import { RelativeTime } from './parts.tsx'
import { useReader } from './reader.ts'

/** "As of 4 min ago · next read in 11 min · 9 of 15 calls left" */
export function DataAge({ age: { asOf, nextLook, calls }, now, base }: { age: Age; now: Date; base: string }) {
  const { age } = useReader().board
  if (asOf === undefined) return null
  return (
    <p class="data-age">
      <span>
        {age.asOf} <RelativeTime at={asOf} now={now} />
      </span>
      <span>
        {age.nextLook} {nextLook === undefined ? age.due : <RelativeTime at={nextLook} now={now} />}
      </span>
      {calls && <span>{age.calls(calls.left.toLocaleString('en'), calls.limit.toLocaleString('en'))}</span>}
      <span>
        {age.source}{' '}
        <a href="https://thespacedevs.com/llapi" rel="noreferrer noopener" target="_blank">
          Launch Library 2
        </a>
      </span>
      <span>
        <a href={`${base}/outbox`}>{age.outbox}</a>
      </span>
      <span>
        <a href={`${base}/rejects`}>{age.rejects}</a>
      </span>
    </p>
  )
}
