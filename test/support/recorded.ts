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
