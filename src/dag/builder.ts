import { z } from 'zod'
import { fail } from './ending.ts'
import type { GraphNode } from './graph.ts'
import { invalid } from './invalid.ts'
import { EACH, type MapOptions } from './map.ts'
import { isId, type ParsedTaskOptions, parseChild, parseMap, parseTaskOptions, parseWait, resultOf } from './options.ts'
import {
  type BranchOptions,
  type ChildRun,
  type Group,
  type Member,
  type Schema,
  type Task,
  type TaskDefaults,
  type TaskOptions,
  type TaskRun,
  type TeardownOptions,
  type TriggerOptions,
  tasksOf,
  type Upstream,
} from './task.ts'
import { withTeardowns } from './teardown.ts'
import type { TriggerRule } from './trigger-rule.ts'
import { type WaitOptions, waiting } from './wait-for.ts'

/** The functions that define the tasks of a dag. */
export interface Builder<Context> {
  task: DefineTask<Context>
  group: DefineGroup<Context>
}

type None = Record<never, never>
type OutputTask<O> = Task<O extends z.ZodType ? z.output<O> : undefined>

export interface DefineTask<Context> {
  /** Adds a task that undoes the work of its setup, and returns it. */
  <const U extends Upstream = None, O extends Schema = undefined>(
    id: string,
    options: TeardownOptions<U, O, Context>,
  ): OutputTask<O>
  /** Adds a task to the dag and returns it, so that other tasks can name it as their upstream. */
  <const U extends Upstream = None, R extends TriggerRule = 'all_success', O extends Schema = undefined>(
    id: string,
    options: TaskOptions<U, R, O, Context>,
  ): OutputTask<O>
  /**
   * Adds a task that chooses among `options`. Their tasks are defined before it, and wait for it. The tasks of the
   * options that it does not return are skipped. Its output is what it returned.
   */
  branch<const K extends string, const U extends Upstream = None, R extends TriggerRule = 'all_success'>(
    id: string,
    options: BranchOptions<K, U, R, Context>,
  ): Task<K | readonly K[]>
  /**
   * Adds a task that runs once for each element of an array that an upstream task returns. Its output is the array of
   * their outputs: undefined where an element was skipped.
   */
  map<
    // biome-ignore lint/suspicious/noExplicitAny: as in Member
    A extends Task<any>,
    const U extends Upstream = None,
    R extends TriggerRule = 'all_success',
    O extends Schema = undefined,
  >(
    id: string,
    options: MapOptions<A, U, R, O, Context>,
  ): Task<O extends z.ZodType ? (z.output<O> | undefined)[] : undefined>
  /** Adds a task that ends when its `check` returns true. */
  waitFor<const U extends Upstream = None, R extends TriggerRule = 'all_success'>(
    id: string,
    options: WaitOptions<U, R, Context>,
  ): Task<undefined>
  /** Adds a task that starts a run of another dag. A retry finds the run; a clear starts another one. */
  triggerRun<const U extends Upstream = None, R extends TriggerRule = 'all_success', O extends Schema = undefined>(
    id: string,
    options: TriggerOptions<U, R, O, Context>,
  ): Task<ChildRun<O>>
}

/**
 * Defines tasks whose ids start with the id of the group and a dot. As an upstream, a group stands for its last tasks,
 * and its input is an object with the outputs of the members that `define` returns.
 */
export type DefineGroup<Context> = <M extends Readonly<Record<string, Member>> = None>(
  id: string,
  // biome-ignore lint/suspicious/noConfusingVoidType: a group may return no members
  define: (builder: Builder<Context>) => M | void,
) => Group<M>

type Own = TaskDefaults & { upstream?: Upstream; run?: unknown; output?: z.ZodType; teardown?: Task }
type Trigger = Own & TriggerOptions<Upstream, TriggerRule, z.ZodType, never>
type Wait = Own & WaitOptions<Upstream, TriggerRule, never>
type Mapped = Own & { over: Task; label?: unknown; maxMapLength?: unknown }
type Options = Readonly<Record<string, readonly Task[]>>

/** What the graph stores of a task that is not in its options. `choosers`: the branches that choose the task. */
type Extra = Omit<GraphNode, 'id' | 'upstream' | 'triggerRule'> & { choosers: Task[] }

/** Collects the tasks of one dag. */
export class TaskCollector {
  readonly tasks: Task[] = []
  readonly #dagId: string
  readonly #defaults: TaskDefaults | undefined
  readonly #extras = new Map<Task, Extra>()

  constructor(dagId: string, defaults: TaskDefaults | undefined) {
    this.#dagId = dagId
    this.#defaults = defaults
  }

  /** @param group the id of the group that gets the tasks */
  builder(group?: string): Builder<unknown> {
    const task = (id: string, own: Own) => this.#add(idIn(group, id), own, { choosers: [], ...(group && { group }) })
    const branch = (id: string, { options, ...own }: Own & { options: Options }) => {
      const chooser = task(id, { ...own, run: choosing(own.run as TaskRun, options), output: Choice })
      this.#addOptions(chooser, options)
      return chooser
    }
    const waitFor = (id: string, { check, every, timeout, onTimeout, ...own }: Wait) =>
      task(id, { ...own, run: waiting(parseWait(this.#dagId, idIn(group, id), { check, every, timeout, onTimeout })) })
    const map = (id: string, { over, label, maxMapLength, run, ...own }: Mapped) => {
      const mapped = parseMap(this.#dagId, idIn(group, id), { over, label, maxMapLength, run })
      const each: TaskRun = ({ [EACH]: element, ...inputs }, context) => mapped.run(element, inputs, context)
      const added = task(id, { ...own, upstream: { ...own.upstream, [EACH]: over }, run: each })
      this.#extraOf(added).over = over.id
      const limit = `has more than ${mapped.maxMapLength} elements (maxMapLength of '${added.id}')`
      const output = (over.output as z.ZodArray).max(mapped.maxMapLength, limit)
      Object.assign(over, { stored: over.stored ?? over.output, output })
      return Object.assign(added, { over, label })
    }
    const triggerRun = (id: string, { dag, conf, wait, cancelChildren, allowedStates, output, ...own }: Trigger) => {
      const child = parseChild(this.#dagId, idIn(group, id), { dag, conf, wait, cancelChildren, allowedStates, output })
      return Object.assign(task(id, { ...own, run: child.conf, output: resultOf(child.output) }), { child })
    }
    const nested = (id: string, define: (builder: Builder<unknown>) => unknown) => this.#group(idIn(group, id), define)
    return { task: Object.assign(task, { branch, map, waitFor, triggerRun }), group: nested } as never
  }

  nodes(): GraphNode[] {
    const nodes = this.tasks.map((task) => {
      const { choosers: _, ...extra } = this.#extraOf(task)
      const edges = this.#upstreamsOf(task).map(([name, { id }]) => [name, id])
      return { id: task.id, triggerRule: task.triggerRule, upstream: Object.fromEntries(edges), ...extra }
    })
    return withTeardowns(nodes)
  }

  #add(id: string, own: Own, extra: Extra): Task {
    checkId(this.#dagId, 'task', id)
    const rule = own?.teardown && { triggerRule: 'all_done' }
    const settled = parseTaskOptions(this.#dagId, id, { ...this.#defaults, ...rule, ...own })
    // Uses the author's own object, so that a cycle is found even if the author adds it later.
    const task: Task = { ...settled, id, upstream: own.upstream ?? settled.upstream }
    if (settled.teardown !== undefined) Object.assign(extra, this.#teardown(id, settled, settled.teardown))
    this.tasks.push(task)
    this.#extras.set(task, extra)
    return task
  }

  #teardown(id: string, { triggerRule, failsRun }: ParsedTaskOptions, setup: Task): Partial<Extra> {
    const refuse = (why: string) => invalid(this.#dagId, `teardown '${id}' ${why}`)
    if (!this.#extras.has(setup)) throw refuse('needs a setup that is a task of this dag, defined before it')
    if (triggerRule !== 'all_done') throw refuse('cannot have a triggerRule: it waits for everything after its setup')
    return { teardown: setup.id, ...(failsRun && { failsRun }) }
  }

  #addOptions(chooser: Task, options: Options): void {
    const refuse = (key: string, why: string) =>
      invalid(this.#dagId, `option '${key}' of branch '${chooser.id}' ${why}`)
    const lists = Object.entries(options ?? {})
    if (lists.length === 0) throw invalid(this.#dagId, `branch '${chooser.id}' needs options: lists of tasks by a word`)
    for (const [key, tasks] of lists) {
      if (!Array.isArray(tasks)) throw refuse(key, 'must be a list of tasks')
      for (const one of tasks) {
        if (!this.#extras.has(one)) throw refuse(key, 'has a task that is not defined before it in this dag')
        this.#extraOf(one).choosers.push(chooser)
      }
    }
    const ids = lists.map(([key, tasks]) => [key, tasks.map(({ id }) => id)])
    this.#extraOf(chooser).options = Object.fromEntries(ids)
  }

  #group(id: string, define: (builder: Builder<unknown>) => unknown): Group {
    checkId(this.#dagId, 'group', id)
    const before = this.tasks.length
    if (typeof define !== 'function')
      throw invalid(this.#dagId, `group '${id}' needs a function that defines its tasks`)
    const members = (define(this.builder(id)) ?? {}) as Group['members']
    if (members instanceof Promise) throw invalid(this.#dagId, `the function of group '${id}' must not be async`)
    const own = this.tasks.slice(before)
    const inner = new Set(own.flatMap((task) => this.#upstreamsOf(task).map(([, parent]) => parent)))
    return { id, members, last: own.filter((task) => !inner.has(task)) }
  }

  /** By the name of the edge. */
  #upstreamsOf(task: Task): [string, Task][] {
    const inputs = Object.entries(task.upstream).flatMap(([name, parent]) => tasksOf(name, parent))
    return [...inputs, ...this.#extraOf(task).choosers.map((one): [string, Task] => [`chosen by ${one.id}`, one])]
  }

  #extraOf(task: Task): Extra {
    return this.#extras.get(task) ?? { choosers: [] }
  }
}

const Choice = z.union([z.string(), z.array(z.string())])

function choosing(choose: TaskRun, options: Options): unknown {
  if (typeof choose !== 'function') return choose
  const keys = Object.keys(options ?? {})
  return async (...args: Parameters<TaskRun>) => {
    const chosen = await choose(...args)
    const wrong = [chosen].flat().find((key) => !keys.includes(String(key)))
    if (wrong !== undefined) throw fail(`it chose '${wrong}', which is not one of its options: ${keys.join(', ')}`)
    return chosen
  }
}

const idIn = (group: string | undefined, id: string) => (group === undefined ? id : `${group}.${id}`)

export function checkId(dagId: string, kind: 'dag' | 'task' | 'group', id: string): void {
  if (isId(id)) return
  throw invalid(dagId, `'${id}' is not an id for a ${kind}: use 1 to 250 letters, digits, '-', '_' and '.'`)
}
