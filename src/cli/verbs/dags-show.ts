import pc from 'picocolors'
import { z } from 'zod'
import type { Dag } from '../../dag/dag.ts'
import { humanDuration } from '../../duration.ts'
import { afterJson, sourceNames } from '../../operations/after-words.ts'
import { findDag } from '../find-dag.ts'
import { answer, fields, print, table } from '../terminal/table.ts'
import { setUpCommand } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `dags show <dag>`: its settings, and its tasks as a tree. Reads the pipelines folder and no database. */
export async function dagsShow(dagId: string, options: ListOptions & { mermaid?: boolean }): Promise<number> {
  const { loaded } = await setUpCommand()
  const dag = findDag(loaded, dagId)
  if (options.mermaid) {
    print(mermaid(dag))
    return 0
  }
  const doc = dag.doc === '' ? [] : [dag.doc.trim()]
  return answer(options.output, described(dag), () => [fields(facts(dag)), tree(dag).join('\n'), ...doc].join('\n\n'))
}

/** `tasks list <dag>`: in the order in which they can run. */
export async function tasksList(dagId: string, { output }: ListOptions): Promise<number> {
  const { loaded } = await setUpCommand()
  const { tasks } = described(findDag(loaded, dagId))
  const queues = tasks.some(({ queue }) => queue !== 'default')
  return answer(output, tasks, () =>
    table(
      ['task_id', 'upstream', 'trigger_rule', 'retries', 'timeout', 'pool', ...(queues ? ['queue'] : [])],
      tasks.map((task) => [
        task.task_id,
        task.upstream.join(', '),
        task.trigger_rule,
        String(task.retries),
        task.execution_timeout_ms === null ? '' : humanDuration(task.execution_timeout_ms),
        task.pool ?? '',
        ...(queues ? [task.queue === 'default' ? '' : task.queue] : []),
      ]),
      { spare: ['pool', 'timeout', 'retries'] },
    ),
  )
}

function facts(dag: Dag): [string, string | null][] {
  const { description, owner, links, schedule, timezone, startDate, catchup, maxActiveRuns, maxActiveTasks, tags } = dag
  const params = Object.keys(dag.params.shape).join(', ')
  return [
    ['dag_id', dag.id],
    ['description', description],
    ['owner', owner],
    ...Object.entries(links),
    ['schedule', schedule === null ? (dag.after ? null : 'manual runs only') : `${schedule}  (${timezone})`],
    ['after', dag.after ? sourceNames(dag.after) : null],
    ['start_date', startDate?.toISOString() ?? null],
    ['catchup', schedule === null || catchup === 'none' ? null : catchup],
    ['max_active_runs', String(maxActiveRuns)],
    ['max_active_tasks', maxActiveTasks === undefined ? null : String(maxActiveTasks)],
    ['params', params],
    ['tags', tags.join(', ')],
  ]
}

function described(dag: Dag) {
  return {
    dag_id: dag.id,
    description: dag.description,
    doc: dag.doc,
    owner: dag.owner,
    links: dag.links,
    schedule: dag.schedule,
    after: afterJson(dag),
    timezone: dag.timezone,
    start_date: dag.startDate ?? null,
    catchup: dag.catchup,
    max_active_runs: dag.maxActiveRuns,
    max_active_tasks: dag.maxActiveTasks ?? null,
    tags: dag.tags,
    params: z.toJSONSchema(dag.params, { io: 'input', unrepresentable: 'any' }),
    tasks: dag.graph.nodes.map(({ id, upstream, triggerRule }) => {
      const task = dag.tasks.get(id)
      return {
        task_id: id,
        upstream: [...new Set(Object.values(upstream))],
        trigger_rule: triggerRule,
        retries: task?.retries ?? 0,
        execution_timeout_ms: task?.executionTimeoutMs ?? null,
        pool: task?.pool ?? null,
        queue: task?.queue ?? 'default',
        priority: task?.priority ?? 0,
        doc: task?.doc ?? '',
      }
    }),
  }
}

/** Draws each task below each of its upstreams. Its own downstream tasks are drawn only the first time. */
function tree({ graph, tasks }: Dag): string[] {
  const lines: string[] = []
  const drawn = new Set<number>()
  const draw = (index: number, head: string, indent: string) => {
    const node = graph.nodes[index]
    const again = drawn.has(index)
    const { triggerRule = 'all_success', queue = 'default', teardown } = tasks.get(node?.id ?? '') ?? {}
    const rule = teardown ? `teardown of ${teardown.id}` : triggerRule
    const facts = [rule === 'all_success' ? [] : rule, queue === 'default' ? [] : `queue ${queue}`].flat()
    lines.push(`${head}${node?.id}${pc.dim(again ? '  (as above)' : facts.map((fact) => `  ${fact}`).join(''))}`)
    if (again) return
    drawn.add(index)
    const children = graph.downstream[index] ?? []
    children.forEach((child, position) => {
      const last = position === children.length - 1
      draw(child, `${indent}${last ? '└─ ' : '├─ '}`, `${indent}${last ? '   ' : '│  '}`)
    })
  }
  graph.upstream.forEach((parents, index) => {
    if (parents.length === 0) draw(index, '', '')
  })
  return lines
}

/** https://mermaid.js.org/syntax/flowchart.html. Nodes are numbered, because Mermaid reserves ids such as `end`. */
function mermaid({ graph }: Dag): string {
  const nodes = graph.nodes.map(({ id, triggerRule }, index) => {
    const rule = triggerRule === 'all_success' ? '' : `<br>${triggerRule}`
    return `  t${index}["${id}${rule}"]`
  })
  const edges = graph.upstream.flatMap((parents, index) => parents.map((parent) => `  t${parent} --> t${index}`))
  return ['graph LR', ...nodes, ...edges].join('\n')
}
