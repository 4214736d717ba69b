import { dag } from 'tminus'

export default dag('wide', { maxActiveRuns: 10_000 }, ({ task }) => {
  const first = task('first', { run: () => {} })
  const middle = Array.from({ length: 1_000 }, (_, n) => task(`m${n}`, { upstream: { first }, run: () => {} }))
  task('last', { upstream: Object.fromEntries(middle.map((one) => [one.id, one])), run: () => {} })
})
