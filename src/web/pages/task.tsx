/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { isTerminal } from '../../dag/state.ts'
import { type LogRow, whyNoLog } from '../../operations/logs.ts'
import { visibleText } from '../../visible-text.ts'
import { assetUrl } from '../assets.ts'
import { durationOf, findRun, may, paths } from '../find.ts'
import { Page } from '../layout.tsx'
import { Duration, Facts, Id, StateMark, Time } from '../parts.tsx'
import { notFound } from '../problem.tsx'
import type { InstanceRow, RunRow } from '../queries/runs.ts'
import { readLines, readOutput, readTries, type TryRow } from '../queries/tasks.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { filterOf, Log } from './log.tsx'
import { TaskActions } from './run.tsx'

export const taskPages = new Hono<WebEnv>()

taskPages.get('/dags/:dag/runs/:run/tasks/:task', async (c) => {
  const { site } = c.var
  const asked = await findTry(c)
  const key = `${asked.run.id}/${asked.instance.task_id}/${asked.tryNumber}`
  const mark = await site.markOf('log', key)
  const { run, instance, tryNumber } = await findTry(c)
  const tries = await readTries(site.metadata, run.id, instance.task_id)
  const shown = tries.find(({ try_number }) => try_number === tryNumber)
  const isLatest = tryNumber === Math.max(1, instance.try_number)
  const output =
    instance.state === 'success' && isLatest ? await readOutput(site.metadata, run.id, instance.task_id) : undefined
  return c.html(
    <Page c={c} title={`${instance.task_id} · ${run.dag_id}`} scripts={[assetUrl('log.js')]}>
      <p class="crumbs">
        <a href="/dags">Pipelines</a> / <a href={paths.dag(run.dag_id)}>{run.dag_id}</a> /{' '}
        <a href={paths.run(run.dag_id, run.run_id)}>{run.run_id}</a>
      </p>
      <div id="live" class="stack" data-live={`log/${key}`} data-mark={mark}>
        <Head c={c} run={run} instance={instance} />
        <Tries run={run} instance={instance} tries={tries} shown={tryNumber} />
        <Ending c={c} instance={instance} tryNumber={tryNumber} ended={shown} />
        {output !== undefined && (
          <section>
            <h2>Output</h2>
            <pre tabindex={0}>{site.scrub(JSON.stringify(output, null, 2))}</pre>
          </section>
        )}
        <Log
          c={c}
          run={run}
          taskId={instance.task_id}
          tryNumber={tryNumber}
          filter={filterOf(c)}
          growing={shown === undefined && !(isLatest && isTerminal(instance.state))}
          why={whyNoLog(run, instance, tryNumber)}
        />
      </div>
    </Page>,
  )
})

async function findTry(c: WebContext) {
  const { run, instances } = await findRun(c)
  const taskId = c.req.param('task')
  const instance = instances.find(({ task_id }) => task_id === taskId)
  if (instance === undefined) throw notFound(`Run '${run.run_id}' has no task '${taskId}'.`)
  const asked = c.req.query('try') ?? ''
  const tryNumber = /^[1-9]\d{0,5}$/.test(asked) ? Number(asked) : Math.max(1, instance.try_number)
  return { run, instance, tryNumber }
}

interface OfTask {
  c: WebContext
  run: RunRow
  instance: InstanceRow
}

function Head({ c, run, instance }: OfTask) {
  return (
    <div class="head">
      <div>
        <h1>
          <Id id={instance.task_id} />
        </h1>
        <p>
          <StateMark state={instance.state} live />{' '}
          {instance.due_at && (
            <>
              until <Time at={instance.due_at} show="ago" />
            </>
          )}
        </p>
      </div>
      {may(c, 'operator') && c.var.site.dags.has(run.dag_id) && <TaskActions run={run} taskId={instance.task_id} />}
    </div>
  )
}

interface TriesProps {
  run: RunRow
  instance: InstanceRow
  tries: readonly TryRow[]
  shown: number
}

function Tries({ run, instance, tries, shown }: TriesProps) {
  const all = tries.map(({ try_number, state }) => ({ number: try_number, state }))
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
          {`Try ${number}`}&nbsp;
          <StateMark state={state as InstanceRow['state']} />
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
  instance: InstanceRow
  tryNumber: number
  ended: TryRow | undefined
}) {
  const { scrub } = c.var.site
  const current = tryNumber === Math.max(1, instance.try_number)
  const start = ended?.start_date ?? (current ? instance.start_date : null)
  const end = ended?.end_date ?? (current ? instance.end_date : null)
  const reason = ended?.reason ?? (current ? instance.reason : null)
  const error = ended?.error ?? (current ? instance.error : null)
  return (
    <section class="card" aria-label="This try">
      <Facts
        strip
        facts={[
          ['Try', instance.try_number === 0 ? notStarted(instance) : String(tryNumber)],
          ['Duration', <Duration ms={durationOf(start, end)} />],
          ['Start', <Time at={start} />],
          ['Reason', reason && scrub(reason)],
          ['Run by', ended?.process],
        ]}
      />
      {error && (
        <details class="error-details" open>
          <summary>Error</summary>
          <pre tabindex={0}>{scrub(error)}</pre>
        </details>
      )}
    </section>
  )
}

function notStarted({ state }: InstanceRow): string {
  return isTerminal(state) ? 'never started' : 'has not started yet'
}

const AT_ONCE = 2_000

/** All lines of a try as plain text, read as fast as they are taken. */
taskPages.get('/dags/:dag/runs/:run/tasks/:task/log.txt', async (c) => {
  const { site } = c.var
  const { run, instance, tryNumber } = await findTry(c)
  let after = 0
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const wanted = { run: run.id, taskId: instance.task_id, tryNumber, after, from: 'start' as const, limit: AT_ONCE }
      const lines = await readLines(site.metadata, wanted)
      const last = lines.at(-1)
      if (last === undefined) return controller.close()
      after = last.line
      controller.enqueue(encoder.encode(lines.map((line) => visibleText(site.scrub(plain(line)))).join('')))
    },
  })
  c.header('content-type', 'text/plain; charset=utf-8')
  c.header('content-disposition', `attachment; filename="${instance.task_id}-try-${tryNumber}.log"`)
  return c.body(body)
})

function plain({ logged_at, level, message, fields }: LogRow): string {
  return `${logged_at.toISOString()} ${level.padEnd(5)} ${message}${fields === null ? '' : ` ${JSON.stringify(fields)}`}\n`
}
