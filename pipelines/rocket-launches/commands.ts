import type { DemoHost } from 'tminus'

/** What `npm run demo` shows of this pipeline. */
export async function demo(host: DemoHost): Promise<number> {
  return await (await import('./sample/demo.ts')).demo(host)
}
