import { describe, expect, it } from 'vitest'
import type { Volume } from '../../../pipelines/rocket-launches/discord/volume.ts'
import { FULL } from '../../support/random.ts'
import { RECORDED, snapshotsOf, WITHOUT_RECORDED } from '../../support/recorded.ts'
import { Replay, TICK } from '../../support/replay.ts'

const DAY = 24 * 3_600_000

/** What a channel would have seen in the recorded time. The files in `replay/` hold the expected posts and edits. */
describe.skipIf(!RECORDED)(`the channel, replayed${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, () => {
  // FUZZ=full replays more than the files hold.
  it.each<{ series: string; most: number; idle: boolean; until: string; volume?: Volume }>([
    { series: 'series-2.2.0-kohld-zenith', most: 11, idle: false, until: '2027' },
    { series: 'series-2.2.0-kohld-zenith', most: 11, idle: true, until: '2027', volume: 'normal' },
    { series: 'series-2.2.0-eclectic-sailor', most: FULL ? 40 : 12, idle: true, until: '2025-06-25' },
    { series: 'series-2.0.0-multipolygon', most: 12, idle: true, until: '2027' },
  ])(
    '$series $volume: every post has a reason, none is a duplicate, and every card is right after every run',
    async ({ series, most, idle, until, volume = 'full' }) => {
      const snapshots = snapshotsOf(series).slice(0, most)
      const replay = await Replay.open(snapshots, volume)
      const end = new Date((snapshots.at(-1)?.at.getTime() ?? 0) + DAY)
      try {
        for (let at: Date | undefined = await replay.nextTick(snapshots, end); at !== undefined; ) {
          await replay.run(at)
          expect(await replay.wrongCards()).toEqual([])
          expect(await replay.unexplained()).toEqual([])
          expect(await replay.again(at)).toEqual([])
          const next = idle ? await replay.nextTick(snapshots, end) : new Date(at.getTime() + TICK)
          at = next && next <= end ? next : undefined
        }
        expect(replay.discord.violations).toEqual([])
        const story = replay.story.filter((line) => line < until)
        const file = volume === 'full' ? series : `${series}-${volume}`
        await expect(`${story.join('\n')}\n`).toMatchFileSnapshot(`replay/${file}.txt`)
      } finally {
        await replay.close()
      }
    },
    600_000,
  )
})
