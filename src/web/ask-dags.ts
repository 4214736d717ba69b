import { runAs } from '../blame.ts'
import type { Commands, MetricsHost } from '../commands.ts'
import type { Dag } from '../dag/dag.ts'
import type { Site } from './site.ts'

/** The objects that a process passes to the dags' own checks and metrics. */
export type DagTools = Pick<Site, 'settingsOf' | 'now' | 'db'>

interface Asked<T> {
  /** Picks the function of a dag to call. */
  of: (commands: Commands) => ((host: MetricsHost) => Promise<readonly T[]>) | undefined
  timeoutMs: number
  /** The results for a dag whose function, or its import, throws. */
  failed: (dagId: string, error: unknown) => readonly T[]
}

/** Calls the `check` or the `metrics` function of each dag that has one, and returns all results. */
export async function askDags<T>(dags: Iterable<Dag>, tools: DagTools, asked: Asked<T>): Promise<T[]> {
  const ask = async (dag: Dag): Promise<readonly T[]> => {
    const commands = await dag.commands?.()
    const call = commands && asked.of(commands)
    // Most dags have none. Does not start a timer for dags without such a function.
    if (call === undefined) return []
    const host: MetricsHost = {
      settings: () => tools.settingsOf(dag.id),
      now: tools.now,
      signal: AbortSignal.timeout(asked.timeoutMs),
      withDatabase: (work) => work(tools.db),
    }
    return await runAs({ dagId: dag.id, part: 'check or metrics' }, () => call(host))
  }
  const all = [...dags].map((dag) => ask(dag).catch((error: unknown) => asked.failed(dag.id, error)))
  return (await Promise.all(all)).flat()
}
