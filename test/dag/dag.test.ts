import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag, isDag } from '../../src/dag/dag.ts'
import { downstreamOf } from '../../src/dag/downstream.ts'
import { buildGraph } from '../../src/dag/graph.ts'
import type { Task } from '../../src/dag/task.ts'
import { $ } from '../../src/shell/index.ts'

const run = () => {}

describe('dag()', () => {
  test('keeps tasks, edges and defaults', () => {
    const defined = dag('d', { defaultArgs: { retries: 2, retryDelay: '1m' } }, ({ task }) => {
      const a = task('a', { run })
      task('b', { upstream: { first: a }, retries: 5, executionTimeout: '2h', run })
    })
    expect(isDag(defined)).toBe(true)
    expect(defined.tasks.get('a')).toMatchObject({ retries: 2, retryDelayMs: 60_000, triggerRule: 'all_success' })
    expect(defined.tasks.get('b')).toMatchObject({ retries: 5, executionTimeoutMs: 7_200_000 })
    expect(defined.graph.nodes).toEqual([
      { id: 'a', triggerRule: 'all_success', upstream: {} },
      { id: 'b', triggerRule: 'all_success', upstream: { first: 'a' } },
    ])
    expect(defined).toMatchObject({ schedule: null, timezone: 'UTC', catchup: 'none', maxActiveRuns: 16 })
  })

  test('takes every default from defaultArgs, and the task may replace it', () => {
    const defaultArgs = { executionTimeout: '5s', memory: '64MB', isolate: true, queue: 'gpu' } as const
    const own = { memory: '1GB', queue: 'cpu' } as const
    const { tasks } = dag('d', { defaultArgs }, ({ task }) => [task('a', { run }), task('b', { ...own, run })])
    expect(tasks.get('a')).toMatchObject({ executionTimeoutMs: 5_000, memoryMb: 64, isolate: true, queue: 'gpu' })
    expect(tasks.get('b')).toMatchObject({ executionTimeoutMs: 5_000, memoryMb: 1_024, isolate: true, queue: 'cpu' })
  })

  test('refuses two tasks of one id, naming it', () => {
    expect(() => dag('d', {}, ({ task }) => [task('twin', { run }), task('twin', { run })])).toThrow(
      "dag 'd': two tasks are called 'twin'",
    )
  })

  test('refuses a task of another dag, naming both', () => {
    let foreign: Task | undefined
    dag('other', {}, ({ task }) => {
      foreign = task('theirs', { run })
    })
    expect(() => dag('d', {}, ({ task }) => task('mine', { upstream: { x: foreign as Task }, run }))).toThrow(
      "task 'mine' depends on 'theirs', a task of another dag",
    )
  })

  test('refuses a cycle, naming its tasks in order', () => {
    const late: Record<string, Task> = {}
    expect(() =>
      dag('d', {}, ({ task }) => {
        const a = task('a', { upstream: late, run })
        const b = task('b', { upstream: { a }, run })
        late.c = task('c', { upstream: { b }, run })
      }),
    ).toThrow("dag 'd': its tasks form a cycle: a → b → c → a")
  })

  test('refuses an upstream that is not defined yet', () => {
    const none = undefined as unknown as Task
    expect(() => dag('d', {}, ({ task }) => task('a', { upstream: { none }, run }))).toThrow(
      "upstream 'none' of task 'a' is undefined",
    )
  })

  test.each(['', 'white space', 'slash/ed', 'x'.repeat(251)])('refuses %j as an id', (id) => {
    expect(() => dag(id, {}, () => {})).toThrow(/is not an id for a dag/)
    expect(() => dag('d', {}, ({ task }) => task(id, { run }))).toThrow(/is not an id for a task/)
  })

  test.each([
    ['* * *', 'needs five cron fields'],
    ['61 * * * *', 'is not a cron expression'],
    ['0 0 30 2 *', 'never occurs'],
    ['0 0 1 * 1', 'sets both day of month and weekday'],
  ])('refuses the schedule %s: %s', (schedule, problem) => {
    expect(() => dag('d', { schedule }, () => {})).toThrow(problem)
  })

  test('a continuous dag runs once at a time, other dags 16 times', () => {
    expect(dag('d', { schedule: '@continuous' }, () => {}).maxActiveRuns).toBe(1)
    expect(dag('d', { schedule: '@continuous', maxActiveRuns: 1 }, () => {}).schedule).toBe('@continuous')
    expect(dag('d', { schedule: '@daily' }, () => {}).maxActiveRuns).toBe(16)
  })

  test('refuses an unknown timezone and bad limits', () => {
    expect(() => dag('d', { timezone: 'Mars/Base' }, () => {})).toThrow("timezone 'Mars/Base' is unknown")
    expect(() => dag('d', { maxActiveRuns: 0 }, () => {})).toThrow('maxActiveRuns must be a whole number from 1')
    expect(() => dag('d', { startDate: 'soon' }, () => {})).toThrow('startDate must be a date')
    expect(() => dag('d', {}, ({ task }) => task('a', { retries: -1, run }))).toThrow("retries of 'a'")
    expect(() => dag('d', {}, ({ task }) => task('a', { retryDelay: '5 min' as never, run }))).toThrow(
      'is not a duration',
    )
  })

  const zod3 = { parse: () => ({}), safeParse: () => ({ success: true }), shape: {}, _def: { typeName: 'ZodObject' } }
  test.each([
    [{ params: { n: 1 } }, 'params must be a z.object({ … }) of zod 4'],
    [{ params: { n: z.number() }, schedule: '@daily' }, 'params must be a z.object({ … }) of zod 4'],
    [{ params: z.string() }, 'params must be a z.object({ … }) of zod 4'],
    [{ params: zod3 }, 'params must be a z.object({ … }) of zod 4'],
    [{ params: null }, 'params must be a z.object({ … }) of zod 4'],
    [{ settings: { TOKEN: 'text' } }, 'settings.TOKEN must be a schema of zod 4'],
    [{ settings: z.object({ TOKEN: z.string() }) }, 'settings must be an object of zod schemas by the names of'],
    [{ description: 7 }, 'description must be a text'],
    [{ doc: ['text'] }, 'doc must be a text'],
    [{ owner: null }, 'owner must be a text'],
    [{ links: 'https://example.org' }, 'links must be an object of addresses'],
    [{ links: { Runbook: 'javascript:alert(1)//https://' } }, 'links.Runbook must be an http or https address'],
    [{ links: { Runbook: 'https://' } }, 'links.Runbook must be an http or https address'],
    [{ schedule: 60 }, 'schedule must be a cron expression, a date or a list of these'],
    [{ schedule: [] }, 'schedule must be a cron expression, a date or a list of these'],
    [{ schedule: ['@daily', 7] }, 'schedule must be'],
    [{ schedule: new Date(Number.NaN) }, 'schedule must be'],
    [{ every: 'often' }, 'every is not a duration'],
    [{ every: '999ms' }, 'every must be whole seconds from 1s to 366d'],
    [{ every: '1500ms' }, 'every must be whole seconds from 1s to 366d'],
    [{ every: '0s' }, 'every must be whole seconds from 1s to 366d'],
    [{ every: '367d' }, 'every must be whole seconds from 1s to 366d'],
    [{ after: 'other' }, 'after must be a list, or { any: list }, of dags, ids of dags or { dag, task }'],
    [{ after: [] }, 'after must be a list'],
    [{ after: [7] }, 'after must be a list'],
    [{ after: ['not an id'] }, 'after must be a list'],
    [{ after: [{ dag: 'other' }] }, 'after must be a list'],
    [{ after: [{ dag: 'other', task: 'load', state: 'failed' }] }, "'state' is not an option"],
    [{ after: { all: ['other'] } }, 'after must be a list'],
    [{ after: { any: [] } }, 'after.any must name a dag'],
    [{ timezone: 2 }, 'timezone must be a text'],
    [{ startDate: 'soon' }, "startDate must be a date such as '2026-01-31T00:00:00Z'"],
    [{ startDate: new Date(Number.NaN) }, 'startDate must be a date'],
    [{ startDate: new Date(8.64e15) }, 'startDate must be a date'],
    [{ startDate: 20260131 }, 'startDate must be a date'],
    [{ catchup: true }, 'catchup must be one of none, latest, all'],
    [{ schedule: '@continuous', maxActiveRuns: 2 }, 'maxActiveRuns must be 1 with @continuous'],
    [{ schedule: ['@continuous', '@daily'] }, "schedule '@continuous' is unknown; use a cron expression or"],
    [{ maxActiveRuns: '4' }, 'maxActiveRuns must be a whole number from 1'],
    [{ maxActiveTasks: 0.5 }, 'maxActiveTasks must be a whole number from 1'],
    [{ dagrunTimeout: '1 hour' }, "dagrunTimeout is not a duration; write '500ms'"],
    [{ defaultArgs: { retries: '3' } }, 'defaultArgs.retries must be a whole number from 0'],
    [{ defaultArgs: { dependsOnPast: 'yes' } }, 'defaultArgs.dependsOnPast must be true or false'],
    [{ defaultArgs: { retry: 3 } }, "'retry' is not an option"],
    [{ defaultArgs: 3 }, 'defaultArgs must be an object'],
    [{ tags: 'launches' }, 'tags must be a list of texts'],
    [{ tags: [1] }, 'tags.0 must be a text'],
    [{ onFailure: 'mail' }, 'onFailure must be a function'],
    [{ onRetry: {} }, 'onRetry must be a function'],
    [{ onLate: () => {} }, 'onLate must be an object'],
    [{ onLate: { after: '20 min', call: () => {} } }, "onLate.after is not a duration; write '500ms'"],
    [{ onLate: { after: '20m' } }, 'onLate.call must be a function'],
    [{ onSuccess: {} }, 'onSuccess must be a function'],
    [{ board: './board.ts' }, 'board must be a function'],
    [{ commands: import('zod') }, 'commands must be a function'],
    [{ scedule: '@daily' }, "'scedule' is not an option"],
    [undefined, 'options must be an object'],
    [() => {}, 'options must be an object'],
  ])('refuses the options %o of an author without types', (options, says) => {
    expect(() => dag('d', options as never, () => {})).toThrow(`dag 'd': ${says}`)
  })

  test.each([
    [{ run: 'later' }, "run of 'a' must be a function"],
    [undefined, "run of 'a' must be a function"],
    [{ run, output: { n: 1 } }, "output of 'a' must be a schema of zod 4"],
    [{ run, output: Number }, "output of 'a' must be a schema of zod 4"],
    [{ run, upstream: ['b'] }, "upstream of 'a' must be an object of tasks"],
    [{ run, upstream: { b: 'b' } }, "upstream 'b' of task 'a' is not a task"],
    [{ run, upstream: { b: null } }, "upstream 'b' of task 'a' is not a task"],
    [{ run, triggerRule: 'all_good' }, "triggerRule of 'a' must be one of all_success, all_failed"],
    [{ run, triggerRule: 'constructor' }, "triggerRule of 'a' must be one of"],
    [{ run, retries: Number.POSITIVE_INFINITY }, "retries of 'a' must be a whole number from 0"],
    [{ run, retryDelay: -1 }, "retryDelay of 'a' is not a duration"],
    [{ run, maxRetryDelay: null }, "maxRetryDelay of 'a' is not a duration"],
    [{ run, executionTimeout: '5 min' }, "executionTimeout of 'a' is not a duration"],
    [{ run, pool: 3 }, "pool of 'a' must be the name of a pool"],
    [{ run, queue: 'my gpu' }, "queue of 'a' must be the name of a queue: 1 to 250 letters"],
    [{ run, doc: 7 }, "doc of 'a' must be a text"],
    [{ run, priority: 'high' }, "priority of 'a' must be a number"],
    [{ run, retires: 3 }, "'retires' of 'a' is not an option"],
  ])('refuses the task options %o of an author without types', (options, says) => {
    expect(() => dag('d', {}, ({ task }) => task('a', options as never))).toThrow(`dag 'd': ${says}`)
  })

  test('refuses an id that is no text, tasks that are defined later, and a missing function', () => {
    expect(() => dag(undefined as never, {}, () => {})).toThrow("'undefined' is not an id for a dag")
    expect(() => dag('d', {}, undefined as never)).toThrow("dag 'd': its third argument must be a function")
    expect(() => dag('d', {}, async () => {})).toThrow('the function that defines its tasks must not be async')
  })

  test('refuses names and limits that the database cannot hold', () => {
    for (const pool of ['p\u0000', 'p'.repeat(251), ''])
      expect(() => dag('d', {}, ({ task }) => task('a', { pool, run }))).toThrow(
        "pool of 'a' must be the name of a pool",
      )
    for (const name of ['k\u0000', 'k\uD800', 'k'.repeat(251), '']) {
      const hanging = () =>
        dag('d', {}, ({ task }) => {
          const a = task('a', { run })
          task('b', { upstream: { [name]: a }, run })
        })
      expect(hanging).toThrow('is not a plain name of 1 to 250 characters')
    }
    expect(() => dag('d', { maxActiveRuns: 2 ** 31 }, () => {})).toThrow('maxActiveRuns must be a whole number from 1')
  })

  test('takes the dags that it follows as values, ids or tasks', () => {
    const other = dag('other', {}, ({ task }) => task('load', { run }))
    const after = [other, 'third', { dag: other, task: 'load' }, { dag: 'third', task: 'load' }]
    const parsed = [
      { dag: 'other', task: '' },
      { dag: 'third', task: '' },
      { dag: 'other', task: 'load' },
      { dag: 'third', task: 'load' },
    ]
    expect(dag('d', { after }, () => {}).after).toEqual({ all: parsed })
    expect(dag('d', { after: { any: after }, schedule: '@daily' }, () => {}).after).toEqual({ any: parsed })
  })

  test('refuses a schedule or after if a param has no default, and names the param', () => {
    const params = z.object({ day: z.string(), copies: z.number().default(1) })
    expect(() => dag('d', { after: ['other'], params }, () => {})).toThrow("so 'day' needs a default")
    expect(() => dag('d', { schedule: '@daily', params }, () => {})).toThrow("so 'day' needs a default")
    expect(dag('d', { params }, () => {}).params).toBe(params)
  })

  test('takes aliases and six fields', () => {
    expect(dag('d', { schedule: '@daily' }, () => {}).schedule).toBe('@daily')
    expect(dag('d', { schedule: '*/2 * * * * *' }, () => {}).schedule).toBe('*/2 * * * * *')
  })
})

describe('types: what must not compile', () => {
  test('upstreams are values and their outputs arrive typed', () => {
    // Never called: npm run types tests that the compiler refuses these lines.
    const define = () =>
      dag('typed', { settings: { TOKEN: z.string() }, params: z.object({ n: z.number() }) }, ({ task }) => {
        const number = task('number', { output: z.number(), run: () => 1 })
        const nothing = task('nothing', { run: () => 'ignored' })

        // @ts-expect-error a misspelt upstream
        task('misspelt', { upstream: { nummber }, run })
        // @ts-expect-error not a task
        task('not_a_task', { upstream: { number: 'number' }, run })
        // @ts-expect-error the output is a number
        task('wrong_output', { output: z.number(), run: () => 'one' })
        // @ts-expect-error no such rule
        task('wrong_rule', { triggerRule: 'all_good', run })
        // @ts-expect-error true or false
        task('wrong_past', { dependsOnPast: 'load', run })
        // @ts-expect-error no such duration
        task('wrong_duration', { retryDelay: '5 minutes', run })

        task('typed', {
          upstream: { number, nothing },
          run: (inputs, context) => {
            const sum: number = inputs.number + context.params.n
            const token: string = context.settings.TOKEN
            const none: undefined = inputs.nothing
            // @ts-expect-error not a declared upstream
            inputs.other
            // @ts-expect-error not a declared setting
            context.settings.OTHER
            return [sum, token, none]
          },
        })
        task('maybe', {
          upstream: { number },
          triggerRule: 'all_done',
          run: ({ number: value }) => {
            // @ts-expect-error with all_done the parent may have no output
            const certain: number = value
            const maybe: number | undefined = value
            return [certain, maybe]
          },
        })
      })
    expect(define).toBeTypeOf('function')
  })

  test('after names dags, ids of dags, or tasks of dags', () => {
    const other = dag('other', {}, () => {})
    const task = { dag: other, task: 'load' }
    const define = () => [
      dag('d', { after: [other, 'id', task] }, () => {}),
      dag('d', { after: { any: [other, 'id', task] } }, () => {}),
      // @ts-expect-error not a list
      dag('d', { after: 'id' }, () => {}),
      // @ts-expect-error not a dag
      dag('d', { after: [7] }, () => {}),
      // @ts-expect-error without a task
      dag('d', { after: [{ dag: 'id' }] }, () => {}),
      // @ts-expect-error a list means all
      dag('d', { after: { all: ['id'] } }, () => {}),
      // @ts-expect-error not a list
      dag('d', { after: { any: other } }, () => {}),
      // @ts-expect-error a task belongs to a dag
      dag('d', {}, ({ task }) => dag('e', { after: [task('a', { run })] }, () => {})),
    ]
    expect(define).toBeTypeOf('function')
  })

  test('a mapped task gets one element of an array; its outputs may be missing', () => {
    const define = () =>
      dag('typed', {}, ({ task }) => {
        const number = task('number', { output: z.number(), run: () => 1 })
        const names = task('names', { output: z.array(z.string()), run: () => ['a'] })
        // @ts-expect-error the output is no array
        task.map('no_array', { over: number, run })
        // @ts-expect-error without `over`
        task.map('no_over', { run })
        // @ts-expect-error the output is a number
        task.map('wrong_output', { over: names, output: z.number(), run: () => 'one' })
        const lengths = task.map('lengths', {
          over: names,
          upstream: { number },
          output: z.number(),
          label: (name) => name.toUpperCase(),
          run: (name, { number }, { mapIndex }) => {
            // @ts-expect-error an element is a text
            const wrong: number = name
            return [name.length + number + mapIndex, wrong][0] ?? 0
          },
        })
        task('sum', {
          upstream: { lengths },
          run: ({ lengths }) => {
            // @ts-expect-error an element may be skipped
            const certain: number[] = lengths
            const maybe: (number | undefined)[] = lengths
            return [certain, maybe]
          },
        })
      })
    expect(define).toBeTypeOf('function')
  })

  test('a task that starts a run gives the state, the run id and the output of the named task', () => {
    const define = () =>
      dag('typed', {}, ({ task }) => {
        const number = task('number', { output: z.number(), run: () => 1 })
        const output = { task: 'count', schema: z.number() }
        const load = task.triggerRun('load', { dag: 'other', wait: true, output })
        const beside = task.triggerRun('beside', { dag: 'other' })
        // @ts-expect-error not the end of a run
        task.triggerRun('running', { dag: 'other', wait: true, allowedStates: ['running'] })
        // @ts-expect-error a run always gets an object
        task.triggerRun('params', { dag: 'other', conf: () => 7 })
        // @ts-expect-error it never runs in a child process
        task.triggerRun('isolated', { dag: 'other', isolate: true })
        // @ts-expect-error without a dag
        task.triggerRun('nothing', {})
        task.triggerRun('given', {
          dag: 'other',
          upstream: { number },
          // @ts-expect-error not a declared upstream
          conf: ({ number, other }) => ({ number, other }),
        })
        task('typed', {
          upstream: { load, beside },
          run: ({ load, beside }) => {
            const rows: number | undefined = load.output
            const none: undefined = beside.output
            // @ts-expect-error the task may have been skipped
            const certain: number = load.output
            return [rows, none, certain, load.runId.length, load.state]
          },
        })
      })
    expect(define).toBeTypeOf('function')
  })

  test('callbacks get their own event and the settings of the dag; a command gets only words', () => {
    const settings = { TOKEN: z.string() }
    const ofCallbacks = () => [
      dag(
        'typed',
        { settings, onRetry: ({ retryAt }, { settings: { TOKEN } }) => [retryAt.getTime(), TOKEN.length] },
        () => {},
      ),
      // @ts-expect-error a task that is not tried again has no next try
      dag('typed', { onTaskFailure: ({ retryAt }) => retryAt }, () => {}),
      // @ts-expect-error not a declared setting
      dag('typed', { settings, onLate: { after: '1h', call: (_late, context) => context.settings.OTHER } }, () => {}),
      // @ts-expect-error without `after`
      dag('typed', { onLate: { call: () => {} } }, () => {}),
    ]
    const ofSchedules = () => [
      dag('typed', { schedule: ['@daily', new Date(), '2026-12-24T18:00:00Z'] as const }, () => {}),
      // @ts-expect-error a number is not a date
      dag('typed', { schedule: ['@daily', 0] }, () => {}),
      // @ts-expect-error not a list of schedules
      dag('typed', { schedule: [['@daily']] }, () => {}),
      // @ts-expect-error no such duration
      dag('typed', { every: '90 min', startDate: '2026-01-01' }, () => {}),
    ]
    const ofCommands = () => [
      $`echo ${1} ${'a'} ${['b', 2n]} ${true}`,
      // @ts-expect-error an object is not a word
      $`echo ${{}}`,
      // @ts-expect-error undefined would be the word 'undefined'
      $`echo ${undefined}`,
      // @ts-expect-error no such option
      $({ timeout: 1 })`echo`,
    ]
    expect([ofCallbacks, ofCommands, ofSchedules]).toHaveLength(3)
  })
})

describe('graph', () => {
  const node = (id: string, ...parents: string[]) => ({
    id,
    triggerRule: 'all_success' as const,
    upstream: Object.fromEntries(parents.map((parent) => [parent, parent])),
  })

  test('orders tasks after their upstreams, in whatever order they are defined', () => {
    const graph = buildGraph('d', [node('c', 'b'), node('a'), node('b', 'a')])
    expect(graph.nodes.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
    expect(graph.upstream).toEqual([[], [0], [1]])
    expect(graph.downstream).toEqual([[1], [2], []])
  })

  test('keeps the order in which tasks are defined, where their upstreams allow it', () => {
    const graph = buildGraph('d', [
      node('a'),
      node('b', 'a'),
      node('c'),
      node('d', 'f', 'b'),
      node('e'),
      node('f', 'c'),
    ])
    expect(graph.taskIds).toEqual(['a', 'b', 'c', 'f', 'd', 'e'])
  })

  test('refuses an upstream that does not exist, and a task upstream of itself', () => {
    expect(() => buildGraph('d', [node('a', 'ghost')])).toThrow("depends on 'ghost'")
    expect(() => buildGraph('d', [node('a', 'a')])).toThrow('cycle: a → a')
  })

  test('downstreamOf returns each later task once', () => {
    const graph = buildGraph('d', [node('a'), node('b', 'a'), node('c', 'a'), node('d', 'b', 'c'), node('e')])
    expect(downstreamOf(graph, ['a'])).toEqual(['b', 'c', 'd'])
    expect(downstreamOf(graph, ['b', 'e'])).toEqual(['d'])
  })
})
