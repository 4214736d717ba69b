import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import type { LogLine } from '../metadata/logs.ts'
import { ActiveRun, type Ending } from './active-run.ts'
import type { Executor } from './executor.ts'
import { newRunId } from './run-id.ts'

export interface DryRunOptions {
  executor: Executor
  logicalDate: Date
  conf: Record<string, unknown>
  signal: AbortSignal
  onLog(line: LogLine): void
  onChange(run: ActiveRun): void
}

/** `dags test`: the tasks really run, in this process; nothing of the run is stored. */
export async function dryRun(dag: Dag, options: DryRunOptions): Promise<ActiveRun> {
  const active = new ActiveRun(draft(dag, options), dag.graph)
  const outputs = new Map<string, unknown>()
  const under = new Map<number, Promise<void>>()
  let ready = active.judgeAll()
  const launch = (index: number) => {
    const taskId = active.taskId(index)
    const task = dag.tasks.get(taskId)
    if (task === undefined) return
    active.start(index)
    const { tryNumber } = active.instance(index)
    const settle = async (ending: Ending) => {
      if (ending.kind === 'success' && ending.output !== null) outputs.set(taskId, JSON.parse(ending.output))
      ready.push(...active.settle(index, tryNumber, ending, task, Math.random()))
      const { dueAt } = active.instance(index)
      options.onChange(active)
      if (dueAt === null) return
      await delay(Math.max(0, dueAt.getTime() - Date.now()), undefined, { signal: options.signal }).catch(
        () => {},
      )
      ready.push(index)
    }
    const attempt = { run: active.run, dag, task, tryNumber, signal: options.signal, log: options.onLog }
    const readOutput = async (id: string) => outputs.get(id)
    under.set(
      index,
      options.executor
        .execute({ ...attempt, readOutput })
        .then(settle)
        .finally(() => under.delete(index)),
    )
  }
  while ((ready.length > 0 || under.size > 0) && !options.signal.aborted) {
    while (ready.length > 0 && under.size < options.executor.slots) launch(ready.shift() ?? 0)
    options.onChange(active)
    await Promise.race(under.values())
  }
  if (options.signal.aborted) active.stop('interrupted')
  ready = []
  return active
}

function draft(dag: Dag, { logicalDate, conf }: DryRunOptions): DagRun {
  const runId = newRunId('manual', logicalDate)
  return {
    dagRunId: 0,
    dagId: dag.id,
    dagVersionId: 0,
    runId,
    runType: 'manual',
    state: 'running',
    jobId: null,
    version: 0,
    reason: null,
    ranForMs: 0,
    logicalDate,
    dataIntervalStart: logicalDate,
    dataIntervalEnd: logicalDate,
    conf,
    previous: undefined,
  }
}
