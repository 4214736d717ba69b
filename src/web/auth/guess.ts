import type { Metadata } from '../../metadata/metadata.ts'
import { countTry, type Guess, uncountTry, waitOf } from './throttle.ts'
import { type Client, withPlace } from './turns.ts'

export interface CheckedGuess<T> {
  /** Seconds until the next guess is allowed; 0 if this guess was checked. */
  wait: number
  /** The value that `open` returned; undefined for a wrong password. */
  opened?: T | undefined
}

/**
 * Checks a guessed password when it is the client's turn. Only a checked guess is counted and stored. A guess that must
 * wait, or that finds the queue full, is not counted.
 */
export async function checkGuess<T>(
  db: Metadata,
  guess: Guess,
  client: Client,
  open: () => Promise<T | undefined>,
): Promise<CheckedGuess<T>> {
  // Rejects most guesses of a flood before they fill the queue.
  const wait = await waitOf(db, guess)
  if (wait > 0) return { wait }
  return await withPlace(client, async (turn) => {
    const wait = await countTry(db, guess)
    if (wait > 0) return { wait }
    const opened = await turn(open)
    if (opened !== undefined) await uncountTry(db, guess)
    return { wait: 0, opened }
  })
}
