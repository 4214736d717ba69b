/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Time } from '../parts.tsx'
import type { Line } from '../queries/tasks.ts'
import { number } from './pick.tsx'

/** So many equal lines in a row are folded. */
const FOLDED = 3

export interface ShownLine extends Pick<Line, 'line' | 'logged_at' | 'level'> {
  message: string
  fields: string
}

interface LogLinesProps {
  lines: readonly ShownLine[]
  tryNumber: number
  /** The line that a link points to. */
  linked: number | null
}

/** The lines of a log. Each has a link to itself; of equal lines in a row only the first is open. */
export function LogLines({ lines, tryNumber, linked }: LogLinesProps) {
  const stop = linked ?? lines.at(-1)?.line
  const draw = (line: ShownLine) => (
    <LogLine line={line} tryNumber={tryNumber} isLinked={line.line === linked} isStop={line.line === stop} />
  )
  return (
    <ol class="log" id="log" tabindex={0} aria-label="Lines">
      {inRows(lines).map(([first, ...same]) => (
        <>
          {draw(first)}
          {same.length < FOLDED - 1 ? (
            same.map(draw)
          ) : (
            <li class="line-fold">
              <details open={same.some(({ line }) => line === stop)}>
                <summary>
                  {number(same.length)} more like this, until <Time at={same.at(-1)?.logged_at} show="clock" />
                </summary>
                <ol>{same.map(draw)}</ol>
              </details>
            </li>
          )}
        </>
      ))}
    </ol>
  )
}

type Row = [first: ShownLine, ...same: ShownLine[]]

/** Groups equal lines that follow each other. */
function inRows(lines: readonly ShownLine[]): Row[] {
  const rows: Row[] = []
  for (const line of lines) {
    const row = rows.at(-1)
    if (row !== undefined && isSame(row[0], line)) row.push(line)
    else rows.push([line])
  }
  return rows
}

function isSame(a: ShownLine, b: ShownLine): boolean {
  return a.level === b.level && a.message === b.message && a.fields === b.fields
}

/** The tab key stops at one line. From there the arrow keys go to the others, because a log has hundreds. */
function LogLine({
  line: { line, logged_at, level, message, fields },
  tryNumber,
  isLinked,
  isStop,
}: {
  line: ShownLine
  tryNumber: number
  isLinked: boolean
  isStop: boolean
}) {
  return (
    <li class={`line ${level}${isLinked ? ' linked' : ''}`}>
      <a id={`L${line}`} href={`?try=${tryNumber}&line=${line}#L${line}`} tabindex={isStop ? undefined : -1}>
        <Time at={logged_at} show="clock" title={null} />
      </a>{' '}
      <span class="level">{level}</span>{' '}
      <span class="message">
        {message}
        {fields !== '' && <span class="fields"> {fields}</span>}
      </span>
    </li>
  )
}
