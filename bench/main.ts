import { failed } from '#src/cli/failed.ts'
import { UsageError } from '#src/errors.ts'

/** `npm run bench -- NAME`: ratios within one run, on durable commits; no figure here is a test. */
const BENCHES: Record<string, () => Promise<{ bench(): Promise<void> }>> = {
  runner: () => import('./runner.ts'),
  load: () => import('./load.ts'),
  scheduler: () => import('./scheduler.ts'),
  history: () => import('./history.ts'),
  web: () => import('./web.ts'),
}

const name = process.argv[2] ?? ''
try {
  const load = BENCHES[name]
  if (load === undefined) throw new UsageError(`npm run bench -- ${Object.keys(BENCHES).join(' | ')}`)
  await (await load()).bench()
} catch (error) {
  process.exitCode = failed(error)
}
