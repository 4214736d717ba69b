/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { fileURLToPath } from 'node:url'
import { number } from './pages/pick.tsx'

/** The folder of T-minus's own code. Other processes that execute tasks have the same layout. */
const OWN = fileURLToPath(new URL('../', import.meta.url))

/** The lines of one error or cause, and the frames after the author's code. */
interface Part {
  shown: string[]
  folded: string[]
}

/** The stacks of an error and its causes. The frames of T-minus and Node.js that called the author's code are folded. */
export function Stack({ text }: { text: string }) {
  return (
    <div class="stack-text">
      {partsOf(text).map(({ shown, folded }) => (
        <>
          <pre tabindex={0}>{shown.join('\n')}</pre>
          {folded.length > 0 && (
            <details>
              <summary>
                {number(folded.length)} {folded.length === 1 ? 'frame' : 'frames'} of T-minus
              </summary>
              <pre tabindex={0}>{folded.join('\n')}</pre>
            </details>
          )}
        </>
      ))}
    </div>
  )
}

/** A part ends with its last frame. A part without a frame of the author is shown whole. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = []
  for (const lines of sections(text)) {
    const last = lines.findLastIndex((line) => isFrame(line) && !isOwn(line))
    const end = last < 0 ? lines.length : last + 1
    const previous = parts.at(-1)
    const part = { shown: lines.slice(0, end), folded: lines.slice(end) }
    if (previous !== undefined && previous.folded.length === 0) {
      previous.shown.push(...part.shown)
      previous.folded = part.folded
    } else parts.push(part)
  }
  return parts
}

/** Splits after each run of frames. */
function sections(text: string): string[][] {
  const all: string[][] = []
  let wasFrame = true
  for (const line of text.split('\n')) {
    if (wasFrame && !isFrame(line)) all.push([])
    if (all.length === 0) all.push([])
    all.at(-1)?.push(line)
    wasFrame = isFrame(line)
  }
  return all
}

function isFrame(line: string): boolean {
  return /^\s+at /.test(line)
}

function isOwn(frame: string): boolean {
  return frame.includes(OWN) || frame.includes('/node_modules/tminus/') || /\(?node:/.test(frame)
}
