/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { Hono } from 'hono'
import { partsOf } from '../../dag/map.ts'
import { isTerminal } from '../../dag/state.ts'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import { readLabels } from '../../operations/labels.ts'
import { shortVersion } from '../../operations/list-jobs.ts'
import type { InstanceRow, RunRow } from '../../operations/list-runs.ts'
import { whyNoLog } from '../../operations/logs.ts'
import { visibleText } from '../../visible-text.ts'
import { assetUrl } from '../assets.ts'
import { beginning, MARGIN, SHOWN } from '../excerpt.ts'
import { type FoundTask, findTask } from '../find.ts'
import { elementsQuery } from '../fold-elements.ts'
import { Page } from '../layout.tsx'
import { Markdown } from '../markdown.tsx'
import { Duration, durationOf, Facts, Id, StateMark, Time } from '../parts.tsx'
import { paths } from '../paths.ts'
import { type Line, listTries, readLines, readOutput, readTries, type TryRow } from '../queries/tasks.ts'
import { hasRole } from '../rights.ts'
import { RunName } from '../run-name.tsx'
import type { WebContext, WebEnv } from '../site.ts'
import { Stack } from '../stack.tsx'
import { streamOf } from '../stream.ts'
import { filterOf, Log } from './log.tsx'
import { TaskActions } from './run.tsx'

export const taskPages = new Hono<WebEnv>()

taskPages.get('/dags/:dag/runs/:run/tasks/:task', async (c) => {
  const { site } = c.var
  const asked = await findTry(c)
  const key = `${asked.run.id}/${asked.instance.task_id}/${asked.tryNumber}`
  const mark = await site.markOf('log', key)
  const { run, instance: found, tryNumber } = await findTry(c)
  const { task_id } = found
  const waiting = (await readWaiting(site.metadata, site.dags, [run]))(run, task_id)
  const instance = { ...found, reason: waiting ?? found.reason }
  const tries = await listTries(site.metadata, run.id, task_id, { near: tryNumber, most: MOST_TABS })
  const longest = SHOWN.block
  const [shown] = await readTries(site.metadata, run.id, task_id, { tryNumber, most: 1, longest })
  const isLatest = tryNumber === Math.max(1, instance.try_number)
  const hasOutput = instance.state === 'success' && isLatest
  const labels = await readLabels(site.metadata, site.dags.get(run.dag_id), run.id, [task_id])
  const output = hasOutput ? await readOutput(site.metadata, run.id, task_id, longest + MARGIN) : undefined
  return c.html(
    <Page c={c} title={`${task_id} · ${run.dag_id}`} scripts={[assetUrl('log.js')]}>
      <p class="crumbs">
        <a href="/dags">Pipelines</a> / <a href={paths.dag(run.dag_id)}>{run.dag_id}</a> /{' '}
        <a href={paths.run(run.dag_id, run.run_id)}>
          <RunName run={run} />
        </a>
      </p>
      <div id="live" class="stack" data-live={`log/${key}`} data-mark={mark}>
        <Head c={c} run={run} instance={instance} label={labels.get(task_id)} />
        <Doc c={c} run={run} taskId={task_id} />
        <Tries run={run} instance={instance} tries={tries} shown={tryNumber} />
        <Ending c={c} instance={instance} tryNumber={tryNumber} ended={shown} />
        {output !== undefined && (
          <section>
            <h2>Output</h2>
            <pre tabindex={0}>{beginning(readable(output), SHOWN.block, site.scrub, output.bytes)}</pre>
          </section>
        )}
        <Log
          c={c}
          run={run}
          taskId={task_id}
          tryNumber={tryNumber}
          filter={filterOf(c)}
          growing={shown === undefined && !(isLatest && isTerminal(instance.state))}
          why={whyNoLog(run, instance, tryNumber)}
        />
      </div>
    </Page>,
  )
})

/** Tries shown as tabs. */
const MOST_TABS = 15

/** Indents the output if all of it was read. */
function readable({ text, bytes }: { text: string; bytes: number }): string {
  return Buffer.byteLength(text) < bytes ? text : JSON.stringify(JSON.parse(text), null, 2)
}

async function findTry(c: WebContext) {
  const { run, instance } = await findTask(c)
  const asked = c.req.query('try') ?? ''
  const tryNumber = /^[1-9]\d{0,5}$/.test(asked) ? Number(asked) : Math.max(1, instance.try_number)
  return { run, instance, tryNumber }
}

interface HeadProps {
  c: WebContext
  run: RunRow
  instance: FoundTask['instance']
  label: string | undefined
}

function Head({ c, run, instance, label }: HeadProps) {
  const { id, mapIndex } = partsOf(instance.task_id)
  const isMapped = c.var.site.dags.get(run.dag_id)?.tasks.get(id)?.over !== undefined

  return (
    <div class="head">
      <div>
        <h1>
          <Id id={instance.task_id} />
        </h1>
        <p>
          <StateMark state={instance.state} live /> {label && <span class="sub">{c.var.site.scrub(label)} </span>}
          {isMapped && (
            <a href={`${paths.run(run.dag_id, run.run_id)}${elementsQuery(id)}`}>
              {mapIndex === undefined ? 'Its elements' : 'All elements'}
            </a>
          )}{' '}
          {instance.due_at && (
            <>
              until <Time at={instance.due_at} show="ago" />
            </>
          )}
        </p>
      </div>
      {hasRole(c, 'operator') && c.var.site.dags.has(run.dag_id) && <TaskActions run={run} taskId={instance.task_id} />}
    </div>
  )
}

/** Closed, because most visits are for the log. */
function Doc({ c, run, taskId }: { c: WebContext; run: RunRow; taskId: string }) {
  const { site } = c.var as WebEnv['Variables']
  const doc = site.dags.get(run.dag_id)?.tasks.get(partsOf(taskId).id)?.doc ?? ''
  if (doc === '') return null
  return (
    <details>
      <summary>About this task</summary>
      <Markdown text={doc} scrub={site.scrub} />
    </details>
  )
}

interface TriesProps {
  run: RunRow
  instance: InstanceRow
  tries: readonly Pick<TryRow, 'try_number' | 'state'>[]
  shown: number
}

function Tries({ run, instance, tries, shown }: TriesProps) {
  const all = tries.map(({ try_number, state }) => ({ number: try_number, state }))
  if (all[0] !== undefined && all[0].number > 1) all.unshift({ number: 1, state: '' })
  if (instance.try_number > 0 && !all.some(({ number }) => number === instance.try_number))
    all.push({ number: instance.try_number, state: instance.state })
  if (all.length < 2) return null
  return (
    <nav class="tabs" aria-label="Tries">
      {all.map(({ number, state }) => (
        <a
          href={paths.task(run.dag_id, run.run_id, instance.task_id, number)}
          aria-current={number === shown ? 'page' : undefined}
        >
          {`Try ${number}`}
          {state !== '' && (
            <>
              &nbsp;
              <StateMark state={state as InstanceRow['state']} />
            </>
          )}
        </a>
      ))}
    </nav>
  )
}

function Ending({
  c,
  instance,
  tryNumber,
  ended,
}: {
  c: WebContext
  instance: FoundTask['instance']
  tryNumber: number
  ended: TryRow | undefined
}) {
  const { scrub } = c.var.site
  const current = tryNumber === Math.max(1, instance.try_number)
  const start = ended?.start_date ?? (current ? instance.start_date : null)
  const end = ended?.end_date ?? (current ? instance.end_date : null)
  const reason = ended?.reason ?? (current ? instance.reason : null)
  const of = ended?.error == null && current ? instance : ended
  const error = of?.error && beginning(of.error, SHOWN.block, scrub, of.error_bytes ?? undefined)
  return (
    <section class="card" aria-label="This try">
      <Facts
        strip
        facts={[
          ['Try', instance.try_number === 0 ? notStarted(instance) : String(tryNumber)],
          ['Duration', start && <Duration ms={durationOf(start, end)} />],
          ['Start', start && <Time at={start} show="short" />],
          ['Reason', reason && beginning(reason, SHOWN.sentence, scrub)],
          ['Process', ended?.process],
          ['Code', ended?.code_version && <code>{shortVersion(ended.code_version)}</code>],
        ]}
      />
      {error && (
        <details class="error-details" open>
          <summary>Error</summary>
          <Stack text={error} />
        </details>
      )}
    </section>
  )
}

function notStarted({ state }: InstanceRow): string {
  return isTerminal(state) ? 'never started' : 'has not started yet'
}

const AT_ONCE = 2_000

/** All lines of a try as plain text, read from the database as fast as the client downloads. */
taskPages.get('/dags/:dag/runs/:run/tasks/:task/log.txt', async (c) => {
  const { site } = c.var
  const { run, instance, tryNumber } = await findTry(c)
  let after = 0
  const more = async () => {
    const wanted = { run: run.id, taskId: instance.task_id, tryNumber, after, from: 'start' as const, limit: AT_ONCE }
    const lines = await readLines(site.metadata, wanted)
    after = lines.at(-1)?.line ?? after
    return lines.map((line) => visibleText(site.scrub(plain(line)))).join('')
  }
  c.header('content-type', 'text/plain; charset=utf-8')
  c.header('content-disposition', `attachment; filename="${instance.task_id}-try-${tryNumber}.log"`)
  return c.body(streamOf(c, more))
})

function plain({ logged_at, level, message, fields }: Line): string {
  return `${logged_at.toISOString()} ${level.padEnd(5)} ${message}${fields === null ? '' : ` ${fields}`}\n`
}
