import { dag } from 'tminus'

export default dag('noop', { maxActiveRuns: 1_000 }, ({ task }) => {
  task('act', { run: () => {} })
})
