/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { LogLevel } from '../../dag/task.ts'
import type { RunRow } from '../../operations/list-runs.ts'
import { beginning, MARGIN, SHOWN } from '../excerpt.ts'
import { Empty, SearchInput, Time } from '../parts.tsx'
import { paths } from '../paths.ts'
import { LEVELS, type Line, readLines } from '../queries/tasks.ts'
import type { WebContext } from '../site.ts'

/** Limits of the page. The download has everything. */
const MOST = { lines: 400, ofLine: 2_000, characters: 40_000 }

export interface Filter {
  level: LogLevel
  search: string
}

export function filterOf(c: WebContext): Filter {
  const level = LEVELS.find((one) => one === c.req.query('level')) ?? 'debug'
  return { level, search: (c.req.query('search') ?? '').slice(0, 200) }
}

function levelsFrom(level: LogLevel): readonly LogLevel[] {
  return LEVELS.slice(LEVELS.indexOf(level))
}

interface LogProps {
  c: WebContext
  run: RunRow
  taskId: string
  tryNumber: number
  filter: Filter
  /** True if the task may still write lines. */
  growing: boolean
  /** The reason why there are no lines, as a sentence without capital letter and full stop. */
  why: string
}

/** The matching log lines of a try, and the filter form. */
export async function Log({ c, run, taskId, tryNumber, filter, growing, why }: LogProps) {
  const { level, search } = filter
  const wanted = { run: run.id, taskId, tryNumber, levels: levelsFrom(level), search }
  const longest = MOST.ofLine + MARGIN
  const lines = await readLines(c.var.site.metadata, { ...wanted, limit: MOST.lines + 1, longest })
  const shown = newest(lines.map((line) => shownLine(line, c.var.site.scrub)))
  const download = `${paths.task(run.dag_id, run.run_id, taskId)}/log.txt?try=${tryNumber}`
  return (
    <section aria-labelledby="log-title">
      <form class="bar-form log-bar">
        <h2 id="log-title">Log</h2>
        <input type="hidden" name="try" value={String(tryNumber)} />
        <label for="level" class="hidden">
          Minimum level
        </label>
        <select id="level" name="level" data-submit hx-preserve="true">
          {LEVELS.map((one) => (
            <option value={one} selected={one === level}>
              {one === 'debug' ? 'all levels' : one === 'error' ? 'errors' : `${one} and above`}
            </option>
          ))}
        </select>
        <SearchInput id="log-search" value={search} label="Part of a line" hx-preserve="true" />
        <button type="submit">Search</button>
        {growing && (
          <label class="follow" hidden>
            <input type="checkbox" id="follow" /> Follow
          </label>
        )}
        <a class="button" href={download} download>
          Download
        </a>
      </form>
      {shown.length < lines.length && (
        <p class="sub">Only the newest {shown.length} lines are shown; the download has all of them.</p>
      )}
      {shown.length === 0 ? (
        <NoLine
          isFiltered={search !== '' || level !== 'debug'}
          growing={growing}
          why={beginning(why, SHOWN.listed, c.var.site.scrub)}
        />
      ) : (
        <ol class="log" id="log" tabindex={0} aria-label="Lines">
          {shown.map((line) => (
            <LogLine line={line} />
          ))}
        </ol>
      )}
    </section>
  )
}

function NoLine({ isFiltered, growing, why }: { isFiltered: boolean; growing: boolean; why: string }) {
  if (isFiltered) return <Empty title="No matching line">Choose all levels, or search for less text.</Empty>
  const sentence = `${why.charAt(0).toUpperCase()}${why.slice(1)}.`
  if (!growing) return <Empty title="Nothing was logged">{sentence}</Empty>
  return (
    <Empty title="Nothing logged yet">{sentence} Lines that the task writes by context.log appear here at once.</Empty>
  )
}

interface ShownLine extends Pick<Line, 'logged_at' | 'level'> {
  message: string
  fields: string
}

function shownLine(line: Line, scrub: (text: string) => string): ShownLine {
  const { logged_at, level, message, message_bytes, fields, fields_bytes } = line
  return {
    logged_at,
    level,
    message: beginning(message, MOST.ofLine, scrub, message_bytes),
    fields: fields === null ? '' : beginning(fields, MOST.ofLine, scrub, fields_bytes ?? undefined),
  }
}

/** The newest lines that fit on the page. */
function newest(lines: readonly ShownLine[]): readonly ShownLine[] {
  let room = MOST.characters
  const fits = ({ message, fields }: ShownLine) => {
    room -= message.length + fields.length
    return room >= 0
  }
  const beyond = lines.slice(-MOST.lines).findLastIndex((line) => !fits(line))
  return lines.slice(-MOST.lines).slice(beyond + 1)
}

function LogLine({ line: { logged_at, level, message, fields } }: { line: ShownLine }) {
  return (
    <li class={`line ${level}`}>
      <Time at={logged_at} show="clock" /> <span class="level">{level}</span>{' '}
      <span class="message">
        {message}
        {fields !== '' && <span class="fields"> {fields}</span>}
      </span>
    </li>
  )
}
