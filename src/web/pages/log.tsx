/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { LogLevel } from '../../dag/task.ts'
import type { LogRow } from '../../operations/logs.ts'
import { paths } from '../find.ts'
import { Empty, Time } from '../parts.tsx'
import type { RunRow } from '../queries/runs.ts'
import { LEVELS, readLines } from '../queries/tasks.ts'
import type { WebContext } from '../site.ts'

/** So that a page stays light; the download has all. */
const MOST_LINES = 400

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
  /** More lines may come. */
  growing: boolean
  /** Why there may be none: a sentence without its capital. */
  why: string
}

/** The lines of a try that fit, and what they are found by. */
export async function Log({ c, run, taskId, tryNumber, filter, growing, why }: LogProps) {
  const { level, search } = filter
  const wanted = { run: run.id, taskId, tryNumber, levels: levelsFrom(level), search }
  const lines = await readLines(c.var.site.metadata, { ...wanted, limit: MOST_LINES + 1 })
  const shown = lines.slice(-MOST_LINES)
  const download = `${paths.task(run.dag_id, run.run_id, taskId)}/log.txt?try=${tryNumber}`
  return (
    <section aria-labelledby="log-title">
      <form class="bar-form log-bar">
        <h2 id="log-title">Log</h2>
        <input type="hidden" name="try" value={String(tryNumber)} />
        <label for="level" class="hidden">
          Least level
        </label>
        <select id="level" name="level" data-submit hx-preserve="true">
          {LEVELS.map((one) => (
            <option value={one} selected={one === level}>
              {one === 'debug' ? 'all levels' : one === 'error' ? 'errors' : `${one} and worse`}
            </option>
          ))}
        </select>
        <label for="log-search" class="hidden">
          Part of a line
        </label>
        <input
          id="log-search"
          hx-preserve="true"
          type="search"
          name="search"
          value={search}
          placeholder="Part of a line"
        />
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
      {lines.length > MOST_LINES && <p class="sub">The newest {MOST_LINES} lines; the download has all of them.</p>}
      {shown.length === 0 ? (
        <NoLine isFiltered={search !== '' || level !== 'debug'} growing={growing} why={c.var.site.scrub(why)} />
      ) : (
        <ol class="log" id="log" tabindex={0} aria-label="Lines">
          {shown.map((line) => (
            <Line line={line} scrub={c.var.site.scrub} />
          ))}
        </ol>
      )}
    </section>
  )
}

function NoLine({ isFiltered, growing, why }: { isFiltered: boolean; growing: boolean; why: string }) {
  if (isFiltered) return <Empty title="No line fits">Try all levels, or fewer letters.</Empty>
  const sentence = `${why.charAt(0).toUpperCase()}${why.slice(1)}.`
  if (!growing) return <Empty title="Nothing was logged">{sentence}</Empty>
  return (
    <Empty title="Nothing logged yet">{sentence} What the task says by context.log appears here as it is said.</Empty>
  )
}

function Line({
  line: { logged_at, level, message, fields },
  scrub,
}: {
  line: LogRow
  scrub: (text: string) => string
}) {
  return (
    <li class={`line ${level}`}>
      <Time at={logged_at} show="clock" /> <span class="level">{level}</span>{' '}
      <span class="message">
        {scrub(message)}
        {fields && <span class="fields"> {scrub(JSON.stringify(fields))}</span>}
      </span>
    </li>
  )
}
