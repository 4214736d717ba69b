import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ApiVersion } from '../../pipelines/launches/api-version.ts'

const FOLDER = fileURLToPath(new URL('../../../shared/data/ll2-recorded', import.meta.url))

/** Real answers of Launch Library are beside the checkout on development machines only. */
export const RECORDED = existsSync(FOLDER)
export const WITHOUT_RECORDED = 'skipped: ../shared/data/ll2-recorded is not here'

export interface Recorded {
  file: string
  version: ApiVersion
  launches: Record<string, unknown>[]
}

/** All recorded answers with `part` in their path, sorted by path (within a series: by time). */
export function recorded(part = ''): Recorded[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json') && file.includes(part))
    .sort()
    .map((file) => {
      const answer = JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8'))
      return {
        file,
        version: /v(2\.\d\.0)-/.exec(file)?.[1] as ApiVersion,
        launches: Array.isArray(answer) ? answer : (answer.results ?? answer.launches),
      }
    })
}

/** A recorded list of launches and when it was recorded. */
export interface Snapshot extends Recorded {
  at: Date
}

/** The times are from the README of the recordings. A date without a time means midnight UTC. */
export function snapshotsOf(series: string): Snapshot[] {
  const readme = readFileSync(`${FOLDER}/README.md`, 'utf8')
  return recorded(series).map((one) => {
    const [row] = readme.split('\n').filter((line) => line.includes(`\`${one.file}\``))
    const [, at = ''] = /@ \w+ \((\d{4}-\d\d-\d\d(?:T\d\d:\d\d)?)\)/.exec(row ?? '') ?? []
    return { ...one, at: new Date(at.includes('T') ? `${at}Z` : at) }
  })
}
