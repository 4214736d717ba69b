import { failed } from '#src/cli/failed.ts'
import { UsageError } from '#src/errors.ts'

/** `npm run bench -- NAME`: ratios within one run, with durable commits. No test depends on these figures. */
const BENCHES: Record<string, () => Promise<{ bench(): Promise<void> }>> = {
  runner: () => import('./runner.ts'),
  load: () => import('./load.ts'),
  scheduler: () => import('./scheduler.ts'),
  history: () => import('./history.ts'),
  web: () => import('./web.ts'),
  isolation: () => import('./isolation.ts'),
  distributed: () => import('./distributed.ts'),
  neighbours: () => import('./neighbours.ts'),
  logs: () => import('./logs.ts'),
}

const name = process.argv[2] ?? ''
try {
  const load = BENCHES[name]
  if (load === undefined) throw new UsageError(`npm run bench -- ${Object.keys(BENCHES).join(' | ')}`)
  await (await load()).bench()
} catch (error) {
  process.exitCode = failed(error)
}
