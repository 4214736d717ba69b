import { setTimeout as delay } from 'node:timers/promises'
import { dag } from 'tminus'

/** 400 tasks that wait 50 ms each. */
export default dag('waits', { maxActiveRuns: 10_000 }, ({ task }) => {
  for (let n = 0; n < 400; n++) task(`t${n}`, { run: () => delay(50) })
})
