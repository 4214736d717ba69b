import type { Metadata } from '../../metadata/metadata.ts'
import { forgetTry, type Guess, noteTry, waitOf } from './throttle.ts'
import { type Asker, withPlace } from './turns.ts'

export interface Judged<T> {
  /** Seconds until the next guess is judged; 0 where this one was. */
  wait: number
  /** What the right password opens; undefined where it was wrong. */
  opened?: T | undefined
}

/**
 * Judges a guessed password when it is the asker's turn. Only what is judged is counted and leaves a row: not a guess
 * that has to wait, nor one for which there is no place.
 */
export async function judgeGuess<T>(
  db: Metadata,
  guess: Guess,
  asker: Asker,
  open: () => Promise<T | undefined>,
): Promise<Judged<T>> {
  // Most of a flood ends here.
  const wait = await waitOf(db, guess)
  if (wait > 0) return { wait }
  return await withPlace(asker, async (turn) => {
    const late = await noteTry(db, guess)
    if (late > 0) return { wait: late }
    const opened = await turn(open)
    if (opened !== undefined) await forgetTry(db, guess)
    return { wait: 0, opened }
  })
}
