import { dag, type TaskContext } from 'tminus'
import { z } from 'zod'

const tick = () => new Promise((resolve) => setTimeout(resolve, 1))

const WAYS: Record<string, (context: Pick<TaskContext, 'log'>, forMs: number) => unknown> = {
  rejectLate: async () => {
    setTimeout(() => void Promise.reject(new Error('rejected late')), 5)
    await tick()
    await new Promise((resolve) => setTimeout(resolve, 50))
  },
  throwInTimer: async () => {
    setTimeout(() => {
      throw new Error('thrown in a timer')
    }, 5)
    await new Promise((resolve) => setTimeout(resolve, 50))
  },
  exit: () => process.exit(3),
  block: (_context, forMs) => {
    const until = performance.now() + forMs
    while (performance.now() < until);
  },
  leak: async () => {
    const kept: number[][] = []
    for (;;) {
      kept.push(Array.from({ length: 200_000 }, (_, index) => index * 1.5))
      await tick()
    }
  },
  log: ({ log }) => {
    for (let line = 0; line < 200_000; line++) log.info(`line ${line}`, { line })
  },
}

/** One task that misbehaves in the way that its run names. */
export default dag(
  'careless',
  { params: z.object({ way: z.string().default('block'), forMs: z.number().default(60_000) }), maxActiveRuns: 100 },
  ({ task }) => {
    task('misbehave', {
      pool: 'careless',
      memory: '256MB',
      run: (_inputs, { params, log }) => WAYS[params.way]?.({ log }, params.forMs),
    })
  },
)
