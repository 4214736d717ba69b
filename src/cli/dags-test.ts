import { openDatabases, resourcesOf, setUp } from '../app.ts'
import { localExecutor } from '../executors/local.ts'
import { dryRun } from '../runner/dry-run.ts'
import { findDag, parseConf } from './find-dag.ts'
import { EXIT_OF, onStopSignal, type StopSignal } from './signals.ts'
import { print, table } from './table.ts'

/** `dags test <dag>`: runs the tasks for real, in this process, and stores nothing of the run. */
export async function dagsTest(dagId: string, options: { conf?: string }): Promise<number> {
  const setup = await setUp({ wanted: (dag) => dag.id === dagId, logTo: process.stderr })
  const dag = findDag(setup.loaded, dagId)
  const conf = parseConf(dag, options.conf)
  const databases = await openDatabases(setup, { create: true })
  const abort = new AbortController()
  let interrupted: StopSignal | undefined
  const ignore = onStopSignal((signal) => {
    interrupted = signal
    abort.abort(new Error('interrupted'))
  })
  try {
    const executor = localExecutor(setup.config.concurrency, resourcesOf(setup, databases))
    const run = await dryRun(dag, {
      executor,
      logicalDate: setup.clock.now(),
      conf,
      signal: abort.signal,
      onLog: ({ taskId, level, message }) => print(`${taskId} ${level} ${message}`),
      onChange: () => {},
    })
    const rows = run.instances.map(({ state, tryNumber, reason }, index) => [
      run.taskId(index),
      state,
      String(tryNumber),
      reason ?? '',
    ])
    print(table(['task_id', 'state', 'try', 'reason'], rows))
    if (interrupted) return EXIT_OF[interrupted]
    return run.ended?.state === 'success' ? 0 : 1
  } finally {
    await databases.close()
    ignore()
  }
}
