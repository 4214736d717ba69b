import type { Check, CheckHost, Command, CommandHost, DemoHost, Metric, MetricsHost } from 'tminus'
import type { Settings } from './settings.ts'
import { addDiscord } from './verbs/discord-command.ts'
import { addLaunches } from './verbs/launches-command.ts'

/** The pipeline's own verbs. */
export function register(program: Command, host: CommandHost): void {
  addLaunches(program, host)
  addDiscord(program, host)
}

/** What `npm run demo` shows of this pipeline. */
export async function demo(host: DemoHost): Promise<number> {
  return await (await import('./demo/demo.ts')).demo(host)
}

/** What `db check` tells of this pipeline. */
export async function check(host: CheckHost<Settings>): Promise<Check[]> {
  return await (await import('./check.ts')).check(host)
}

/** What `/metrics` tells of this pipeline. */
export async function metrics(host: MetricsHost<Settings>): Promise<Metric[]> {
  return await (await import('./metrics.ts')).metrics(host)
}
