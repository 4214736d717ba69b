import { dag } from 'tminus'

export default dag('chain', { maxActiveRuns: 10_000 }, ({ task }) => {
  const first = task('t0', { run: () => {} })
  const second = task('t1', { upstream: { first }, run: () => {} })
  task('t2', { upstream: { second }, run: () => {} })
})
