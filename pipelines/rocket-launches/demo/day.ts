import type { Stage } from './stage.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** The rest of the demo's day, after its scenes. Each entry changes the launches before one more run. */
const DAY: readonly ((stage: Stage) => void)[] = [
  (stage) => {
    stage.advanceTo(50 * MINUTE)
    stage.change({ slipMs: 40 * MINUTE }, 'A Tale Of Two Tides')
    stage.change({ slipMs: 24 * HOUR }, 'USSF-97')
  },
  (stage) => {
    stage.advanceTo(18 * MINUTE)
    stage.change({ status: 'hold' })
    stage.change({ slipMs: -2 * HOUR }, 'NS-48')
  },
  (stage) => {
    stage.advanceTo(9 * MINUTE)
    stage.change({ status: 'go', slipMs: 25 * MINUTE, live: true })
    stage.change({ slipMs: 48 * HOUR }, 'USSF-97')
  },
  (stage) => {
    stage.advanceTo(-2 * MINUTE)
    stage.change({ status: 'inFlight' })
    stage.change({ status: 'success', live: false }, 'Starlink Group 17-52')
  },
  (stage) => {
    stage.advanceTo(-48 * MINUTE)
    stage.change({ status: 'success', live: false })
    stage.change({ slipMs: 26 * HOUR }, 'Galileo L15 (FOC FM31 & FM33)')
  },
]

/** Plays the rest of the day without output, so that the board has slips, a hold and a result. Returns an exit code. */
export async function playDay(stage: Stage): Promise<number> {
  for (const change of DAY) {
    change(stage)
    const { code } = await stage.run({ quiet: true })
    if (code !== 0) return code
  }
  return 0
}
