import { describe, expect, it } from 'vitest'
import { FULL } from '../../support/random.ts'
import { RECORDED, WITHOUT_RECORDED } from '../../support/recorded.ts'
import { Replay, snapshotsOf, TICK } from '../../support/replay.ts'

const DAY = 24 * 3_600_000

/** What a channel would have seen, had it been there. The stories beside this file are what is expected, line by line. */
describe.skipIf(!RECORDED)(`the channel, replayed${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, () => {
  // FUZZ=full goes on beyond what is told line by line.
  it.each([
    { series: 'series-2.2.0-kohld-zenith', most: 11, idle: false, until: '2027' },
    { series: 'series-2.2.0-eclectic-sailor', most: FULL ? 40 : 12, idle: true, until: '2025-06-25' },
    { series: 'series-2.0.0-multipolygon', most: 12, idle: true, until: '2027' },
  ])(
    '$series: every post explained, none alike, every card right after every run',
    async ({ series, most, idle, until }) => {
      const snapshots = snapshotsOf(series).slice(0, most)
      const replay = await Replay.open(snapshots)
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
        await expect(`${story.join('\n')}\n`).toMatchFileSnapshot(`replay/${series}.txt`)
      } finally {
        await replay.close()
      }
    },
    600_000,
  )
})
