/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { useReader } from './reader.ts'
import { paragraphsOf } from './words.ts'

/** The description of a mission in paragraphs. Lines that start with `*`, `-` or `•` become a list. */
export function Description({ text }: { text: string | null }) {
  const { board } = useReader()
  const lines = paragraphsOf((text ?? '').slice(0, 20_000))
  if (lines.length === 0) return <p class="muted">{board.noDescription}</p>
  return (
    <>
      {blocksOf(lines).map((block) =>
        typeof block === 'string' ? (
          <p>{block}</p>
        ) : (
          <ul>
            {block.map((item) => (
              <li>{item}</li>
            ))}
          </ul>
        ),
      )}
    </>
  )
}

/** A text is a paragraph, an array is a list. */
function blocksOf(lines: readonly string[]): (string | string[])[] {
  const blocks: (string | string[])[] = []
  for (const line of lines) {
    const item = /^[*•-] (.*)$/s.exec(line)?.[1]
    const last = blocks.at(-1)
    if (item === undefined) blocks.push(line)
    else if (Array.isArray(last)) last.push(item)
    else blocks.push([item])
  }
  return blocks
}
