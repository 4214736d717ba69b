import type { Setup } from '../app.ts'
import { misspeltSettings } from '../config.ts'
import { closest } from './closest.ts'

/** A sentence for each setting in `.env` that nobody reads. None where a pipeline could not be loaded: it may. */
export function misspeltWords({ loaded }: Pick<Setup, 'loaded'>): string[] {
  if (loaded.importErrors.length > 0) return []
  const { names, known } = misspeltSettings(loaded.dags.values())
  return names.map((name) => {
    const near = closest(name, known)
    return `${name} in .env is read by nobody; ${near === undefined ? 'correct or remove it' : `did you mean ${near}?`}`
  })
}
