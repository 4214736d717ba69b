/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { LogLevel } from '../../dag/task.ts'
import type { RunRow } from '../../operations/list-runs.ts'
import { beginning, MARGIN, SHOWN } from '../excerpt.ts'
import { Empty, SearchInput } from '../parts.tsx'
import { paths } from '../paths.ts'
import { LEVELS, type Line, type LinesWanted, readLines } from '../queries/tasks.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { LogLines, type ShownLine } from './log-lines.tsx'

/** Limits of the page. The download has everything. */
const MOST = { lines: 400, ofLine: 2_000, characters: 40_000 }

export interface Filter {
  level: LogLevel
  search: string
  /** The line that a link points to: the lines around it are shown. Null: the newest lines. */
  line: number | null
}

export function filterOf(c: WebContext): Filter {
  const level = LEVELS.find((one) => one === c.req.query('level')) ?? 'debug'
  const line = /^\d{1,15}$/.exec(c.req.query('line') ?? '')?.[0]
  return { level, search: (c.req.query('search') ?? '').slice(0, 200), line: line === undefined ? null : Number(line) }
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
  const { level, search, line } = filter
  const { shown, isPart } = await readShown(c, { run: run.id, taskId, tryNumber }, filter)
  return (
    <section class="log-section" aria-labelledby="log-title">
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
        {growing && line === null && (
          <label class="follow" hidden>
            <input type="checkbox" id="follow" /> Follow
          </label>
        )}
        {/* Style sheets follow these two boxes, so they also work without scripts. */}
        <label class="follow">
          <input type="checkbox" id="wrap" checked hx-preserve="true" /> Wrap
        </label>
        <label class="follow">
          <input type="checkbox" id="full-screen" hx-preserve="true" /> Full screen
        </label>
        <a class="button" href={`${paths.task(run.dag_id, run.run_id, taskId)}/log.txt?try=${tryNumber}`} download>
          Download
        </a>
      </form>
      {line !== null && (
        <p class="sub">
          The lines around a linked line. <a href={`?try=${tryNumber}`}>Show the newest lines</a>
        </p>
      )}
      {isPart && line === null && (
        <p class="sub">Only the newest {shown.length} lines are shown; the download has all of them.</p>
      )}
      {shown.length === 0 ? (
        <NoLine
          isFiltered={search !== '' || level !== 'debug'}
          growing={growing}
          why={beginning(why, SHOWN.listed, c.var.site.scrub)}
        />
      ) : (
        <LogLines lines={shown} tryNumber={tryNumber} linked={line} />
      )}
    </section>
  )
}

type Place = Pick<LinesWanted, 'run' | 'taskId' | 'tryNumber'>

/** The lines of the page. `isPart`: there are more. */
async function readShown(c: WebContext, place: Place, { level, search, line }: Filter) {
  const { metadata, scrub } = (c.var as WebEnv['Variables']).site
  const wanted = { ...place, levels: levelsFrom(level), search, longest: MOST.ofLine + MARGIN }
  const read = async (more: Partial<LinesWanted> & { limit: number }) =>
    (await readLines(metadata, { ...wanted, ...more })).map((one) => shownLine(one, scrub))
  if (line === null) {
    const lines = await read({ limit: MOST.lines + 1 })
    const shown = newest(lines, MOST.lines, MOST.characters)
    return { shown, isPart: shown.length < lines.length }
  }
  const half = [MOST.lines / 2, MOST.characters / 2] as const
  const before = newest(await read({ limit: half[0], until: line }), ...half)
  const after = await read({ limit: half[0], after: line, from: 'start' })
  return { shown: [...before, ...newest(after.reverse(), ...half).reverse()], isPart: true }
}

function NoLine({ isFiltered, growing, why }: { isFiltered: boolean; growing: boolean; why: string }) {
  if (isFiltered) return <Empty title="No matching line">Choose all levels, or search for less text.</Empty>
  return (
    <Empty title={`${why.charAt(0).toUpperCase()}${why.slice(1)}`}>
      {growing && 'Lines that the task writes by context.log appear here at once.'}
    </Empty>
  )
}

function shownLine(line: Line, scrub: (text: string) => string): ShownLine {
  const { logged_at, level, message, message_bytes, fields, fields_bytes } = line
  return {
    line: line.line,
    logged_at,
    level,
    message: beginning(message, MOST.ofLine, scrub, message_bytes),
    fields: fields === null ? '' : beginning(fields, MOST.ofLine, scrub, fields_bytes ?? undefined),
  }
}

/** The last lines that fit into so many lines and characters. */
function newest(lines: readonly ShownLine[], most: number, characters: number): ShownLine[] {
  let room = characters
  const fits = ({ message, fields }: ShownLine) => {
    room -= message.length + fields.length
    return room >= 0
  }
  const beyond = lines.slice(-most).findLastIndex((line) => !fits(line))
  return lines.slice(-most).slice(beyond + 1)
}
