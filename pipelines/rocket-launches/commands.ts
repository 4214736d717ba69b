import type { Check, CheckHost, Command, CommandHost, DemoHost, Metric, MetricsHost } from 'tminus'
import type { Settings } from './settings.ts'
import { addDiscord } from './verbs/discord-command.ts'
import { addLaunches } from './verbs/launches-command.ts'

/** The pipeline's own CLI verbs. */
export function register(program: Command, host: CommandHost): void {
  addLaunches(program, host)
  addDiscord(program, host)
}

/** The board should not stay empty until the first tick. The run respects the quota of Launch Library, like any other. */
export const runsAtFirstStart = true

/** The demo of `npm run demo`. */
export async function demo(host: DemoHost): Promise<number> {
  return await (await import('./demo/demo.ts')).demo(host)
}

/** The pipeline's checks in `db check`. */
export async function check(host: CheckHost<Settings>): Promise<Check[]> {
  return await (await import('./check.ts')).check(host)
}

/** The pipeline's metrics in `/metrics`. */
export async function metrics(host: MetricsHost<Settings>): Promise<Metric[]> {
  return await (await import('./metrics.ts')).metrics(host)
}
