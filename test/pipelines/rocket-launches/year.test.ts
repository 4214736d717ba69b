import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SEED } from '../../support/random.ts'
import { LivedYear } from '../../support/year.ts'
import { year } from '../../support/year-model.ts'

/** YEARS=n simulates more years, FUZZ_SEED=n different ones. */
const YEARS = Number(process.env.YEARS ?? 3)

it(`a simulated year (${YEARS}, seed ${SEED}) leaves every channel correct despite all faults`, {
  timeout: 60_000 + YEARS * 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(year, async (one) => {
      const lived = await LivedYear.open(one)
      try {
        const mistakes = await lived.live()
        if (mistakes.length > 0) throw new Error([...mistakes, ...lived.diary.slice(-200)].join('\n'))
        const counts = lived.channels.map(({ discord, lost, deleted }) => [
          ...[discord.messages.length, discord.requests.length, lost, deleted.size],
        ])
        console.log(`${lived.ticks} ticks; messages, requests, lost, deleted: ${JSON.stringify(counts)}`)
        expect(lived.happenings.length).toBeGreaterThan(20)
      } finally {
        await lived.close()
      }
    }),
    { numRuns: YEARS, seed: SEED, endOnFailure: true },
  )
})
