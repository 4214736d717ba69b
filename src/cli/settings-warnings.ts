import type { Setup } from '../app.ts'
import { asSetting, findUnreadSettings } from '../config.ts'
import { readEnvFile } from '../env-file.ts'
import { closest } from './closest.ts'

/** Returns a warning for each line of `.env` that has no effect, and for each misspelt or unknown setting. */
export function settingsWarnings({ loaded }: Pick<Setup, 'loaded'>): string[] {
  const { dags, importErrors } = loaded
  const read = [...dags.values(), ...importErrors.flatMap(({ dag }) => dag ?? [])]
  const { unknown, miswritten, known } = findUnreadSettings(read)
  return [
    ...readEnvFile().problems,
    ...miswritten.map((name) => `${name} is not a known setting; did you mean ${asSetting(name)}?`),
    // If a dag could not be loaded, an unknown name may be one of its settings.
    ...(importErrors.some(({ dag }) => dag === undefined) ? [] : unknown.map((name) => unknownWords(name, known))),
  ]
}

function unknownWords(name: string, known: readonly string[]): string {
  const near = closest(name, known)
  return `${name} in .env is not a known setting; ${near === undefined ? 'correct or remove it' : `did you mean ${near}?`}`
}
