import { dag } from 'tminus'

/** One task of 1 ms. */
export default dag('innocent', { maxActiveRuns: 1_000 }, ({ task }) => {
  task('work', { run: () => new Promise((resolve) => setTimeout(resolve, 1)) })
})
