import { sampleLaunches } from '../pipelines/rocket-launches/demo/launches.ts'

const PAGE = 100
const SAMPLES = sampleLaunches(new Date('2026-01-01T00:00:00Z'), { origin: 'https://launches.example' })

/** Launches of API 2.3.0, 5.8 KB each: the samples repeated, each with its own id, name and NET. */
export function launchesFrom(start: number, count: number): unknown[] {
  return Array.from({ length: count }, (_, index) => {
    const number = start + index
    const sample = SAMPLES[number % SAMPLES.length]
    return {
      ...sample,
      id: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
      name: `Launch ${number}`,
      slug: `launch-${number}`,
      net: new Date(Date.UTC(2026, 0, 1, number)).toISOString().replace('.000Z', 'Z'),
    }
  })
}

export function pagesOf<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / PAGE) }, (_, page) => all.slice(page * PAGE, (page + 1) * PAGE))
}

/** The pages of a list at `address`; each `next` names the following page by number. */
export function pagesToServe(count: number, address: string): Buffer[] {
  const pages = pagesOf(launchesFrom(0, count))
  return pages.map((results, page) => {
    const next = page + 1 < pages.length ? `${address}?page=${page + 1}` : null
    return Buffer.from(JSON.stringify({ count, next, previous: null, results }))
  })
}
