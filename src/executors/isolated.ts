import type { Config } from '../config.ts'
import type { Executor } from '../runner/executor.ts'

/** Executes some attempts in child processes, and the others with the local executor. */
export function isolatedExecutor(
  local: Executor,
  isolation: Config['isolation'],
  children: Pick<Executor, 'execute' | 'close'>,
): Executor {
  return {
    slots: local.slots,
    // A child process has no access to the runner's tables.
    isolates: ({ isolate, child }, isSuspect) =>
      !child && (isolation === 'all' || (isolation === 'asked' && (isolate || isSuspect))),
    execute: (attempt) => (attempt.isolated ? children : local).execute(attempt),
    close: () => children.close(),
  }
}
