import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { UsageError } from '../errors.ts'
import { say } from './terminal/table.ts'

/**
 * Asks on a terminal whether to go on; `--yes` answers for the user. Ctrl-C and the end of input mean no. Throws
 * UsageError if there is neither a terminal nor `--yes`.
 *
 * @param what a sentence that says what happens
 */
export async function confirm(what: string, yes = false): Promise<boolean> {
  if (yes) return true
  if (!process.stdin.isTTY) throw new UsageError(`${what}; add --yes to confirm`)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const closed = once(terminal, 'close').then(() => '')
  // Some versions of Node reject the question at Ctrl-C and Ctrl-D, others only close.
  const asked = terminal.question(`${what}. Continue? [y/N] `).catch(() => '')
  const answer = await Promise.race([asked, closed])
  terminal.close()
  const isYes = /^y(es)?$/i.test(answer.trim())
  if (!isYes) say('Nothing was changed')
  return isYes
}
