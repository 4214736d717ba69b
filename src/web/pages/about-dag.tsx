/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { open, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Hono } from 'hono'
import type { Dag } from '../../dag/dag.ts'
import type { Task } from '../../dag/task.ts'
import { humanDuration } from '../../duration.ts'
import { startText } from '../../operations/after-words.ts'
import { type FoundDag, findDag } from '../find.ts'
import { Markdown } from '../markdown.tsx'
import { paramFields, textOf } from '../params.ts'
import { Empty, type Fact, Facts, Table, Time } from '../parts.tsx'
import { paths } from '../paths.ts'
import { notFound } from '../problem.tsx'
import { hasRole } from '../rights.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { DagPage } from './dag-head.tsx'
import { number, PickBar, PickPager, picked, pickOf } from './pick.tsx'

/** A dag's code and settings, as loaded by this process. */
export const aboutPages = new Hono<WebEnv>()

const MOST_BYTES = 64_000
const MOST_FILES = 100

aboutPages.get('/dags/:dag/code', async (c) => {
  const found = await findDag(c)
  const file = c.var.site.files.get(found.dagId)
  if (file === undefined) {
    return c.html(
      <DagPage c={c} found={found} tab="code">
        <Empty title="The code of this dag is not loaded" />
      </DagPage>,
    )
  }
  const names = (await readdir(dirname(file)))
    .filter((name) => /\.[jt]sx?$/.test(name))
    .sort()
    .slice(0, MOST_FILES)
  const asked = c.req.query('file') ?? basename(file)
  if (!names.includes(asked)) throw notFound('The folder of this dag has no such file.')
  const code = await readBeginning(join(dirname(file), asked))
  return c.html(
    <DagPage c={c} found={found} tab="code">
      <div class="code-box">
        <nav aria-label="Files">
          {names.map((name) => (
            <a
              class="mono"
              href={`${paths.dag(found.dagId, 'code')}?${new URLSearchParams({ file: name })}`}
              aria-current={name === asked ? 'page' : undefined}
            >
              {name}
            </a>
          ))}
        </nav>
        <pre tabindex={0}>
          <code>{c.var.site.scrub(code)}</code>
        </pre>
      </div>
    </DagPage>,
  )
})

async function readBeginning(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MOST_BYTES), 0, MOST_BYTES, 0)
    const text = buffer.subarray(0, bytesRead).toString()
    return bytesRead === MOST_BYTES ? `${text}\n… and more` : text
  } finally {
    await file.close()
  }
}

aboutPages.get('/dags/:dag/details', async (c) => {
  const found = await findDag(c)
  return c.html(
    <DagPage c={c} found={found} tab="details">
      <div class="stack">
        {found.dag && found.dag.doc !== '' && (
          <section class="card" aria-label="Documentation">
            <Markdown text={found.dag.doc} scrub={c.var.site.scrub} />
          </section>
        )}
        <About found={found} />
        {found.dag && <Tasks c={c} dag={found.dag} />}
        {found.dag && <Params dag={found.dag} />}
        {found.state && hasRole(c, 'admin') && (
          <p class="actions">
            <a class="button danger" href={paths.dag(found.dagId, 'delete')}>
              Delete the record
            </a>
          </p>
        )}
      </div>
    </DagPage>,
  )
})

function About({ found: { dagId, dag, state } }: { found: FoundDag }) {
  const facts: Fact[] = [
    ['dag_id', <code>{dagId}</code>],
    ['schedule', dag && startText(dag)],
    ['timezone', dag?.timezone],
    ['start_date', dag?.startDate && <Time at={dag.startDate} />],
    ['catchup', dag?.schedule && dag.catchup],
    ['max_active_runs', dag?.maxActiveRuns],
    ['max_active_tasks', dag?.maxActiveTasks],
    ['dagrun_timeout', dag?.dagrunTimeoutMs && humanDuration(dag.dagrunTimeoutMs)],
    ['tags', dag?.tags.join(', ')],
    ['settings', dag && Object.keys(dag.settings).join(', ')],
    ['versions of its graph', state?.versions],
    ['first seen', state && <Time at={state.created_at} />],
    ['last seen', state && <Time at={state.last_seen_at} />],
  ]
  return (
    <section class="card">
      <Facts facts={facts} strip />
    </section>
  )
}

const MOST_ROWS = 100

function Tasks({ c, dag }: { c: WebContext; dag: Dag }) {
  const all = dag.graph.taskIds.map((task_id) => ({ task_id }))
  const found = picked(all, pickOf(c), MOST_ROWS)
  const queues = [...dag.tasks.values()].some(({ queue }) => queue !== 'default')
  return (
    <section>
      <h2>Tasks</h2>
      <PickBar picked={found} />
      <Table
        name="Tasks"
        columns={[
          'Task',
          'Upstream',
          'Trigger rule',
          { number: 'Retries' },
          { number: 'Retry delay' },
          { number: 'Timeout' },
          'Pool',
          ...(queues ? ['Queue'] : []),
          { number: 'Priority' },
        ]}
      >
        {found.shown.map(({ task_id }) => (
          <TaskRow task={dag.tasks.get(task_id) as Task} queues={queues} />
        ))}
      </Table>
      <PickPager picked={found} most={MOST_ROWS} />
    </section>
  )
}

/** A task may have thousands of upstream tasks. */
const MOST_NAMED = 10

function TaskRow({ task, queues }: { task: Task; queues: boolean }) {
  const upstream = [...new Set(Object.values(task.upstream).map(({ id }) => id))]
  const more = upstream.length - MOST_NAMED
  return (
    <tr>
      <th scope="row">{task.id}</th>
      <td data-label="Upstream">
        {upstream.slice(0, MOST_NAMED).join(', ')}
        {more > 0 && ` and ${number(more)} more`}
      </td>
      <td data-label="Trigger rule">{task.triggerRule}</td>
      <td class="right number" data-label="Retries">
        {task.retries}
      </td>
      <td class="right" data-label="Retry delay">
        {task.retries > 0 && humanDuration(task.retryDelayMs)}
      </td>
      <td class="right" data-label="Timeout">
        {task.executionTimeoutMs !== undefined && humanDuration(task.executionTimeoutMs)}
      </td>
      <td data-label="Pool">{task.pool}</td>
      {queues && <td data-label="Queue">{task.queue !== 'default' && task.queue}</td>}
      <td class="right number" data-label="Priority">
        {task.priority}
      </td>
    </tr>
  )
}

function Params({ dag }: { dag: Dag }) {
  const fields = paramFields(dag)
  if (fields.length === 0) return null
  return (
    <section>
      <h2>Params</h2>
      <Table name="Params" columns={['Param', 'Kind', 'Limits', 'Default', 'Description']}>
        {fields.map(({ name, kind, choices, limits, standard, required, description }) => (
          <tr>
            <th scope="row">{name}</th>
            <td data-label="Kind">{kind === 'choice' ? choices.join(', ') : kind}</td>
            <td data-label="Limits">{limits}</td>
            <td data-label="Default">{required ? 'required' : standard === undefined ? '–' : textOf(standard)}</td>
            <td>{description}</td>
          </tr>
        ))}
      </Table>
    </section>
  )
}
