import { TminusError } from '../../errors.ts'
import { networkKey } from '../address.ts'
import { type Limits, Shares } from '../shares.ts'

/** For whom a password is hashed. */
export interface Asker {
  address: string
  /** Only of a session: a name that is typed at the login may be anyone's. */
  user?: string
}

/** So many are worked out at once, for the memory they take; so many wait in all. */
const AT_ONCE = 2
const MOST_WAITING = 32
/** At once, those that wait counted too: others may sign in from the same address. */
const OF_USER = 2
const OF_ADDRESS = 12

const shares = new Shares()
let places = 0
let busy = 0
/** By address, the one whose turn it is first. */
const waiting = new Map<string, (() => void)[]>()

/** Works when it is the asker's turn. Throws as `withPlace` does. */
export async function inTurn<T>(asker: Asker | undefined, work: () => Promise<T>): Promise<T> {
  return await withPlace(asker, (turn) => turn(work))
}

/**
 * Takes a place in the queue; `turn` works when it is the asker's turn. Addresses take turns, so that one with many
 * requests delays the others by no more than one. Throws TminusError `login_share` where the asker's own share is used
 * up, `login_busy` where all places are.
 */
export async function withPlace<T>(asker: Asker | undefined, use: (turn: Turn) => Promise<T>): Promise<T> {
  const address = asker === undefined ? '' : networkKey(asker.address)
  if (places >= AT_ONCE + MOST_WAITING) throw tooMany('login_busy', 'Too many people sign in at this moment')
  const release = shares.take(limitsOf(asker, address))
  if (release === undefined) throw tooMany('login_share', 'Too many of your requests at once')
  places++
  try {
    return await use(async (work) => {
      if (busy >= AT_ONCE) await turnOf(address)
      else busy++
      return await work().finally(next)
    })
  } finally {
    places--
    release()
  }
}

type Turn = <T>(work: () => Promise<T>) => Promise<T>

function limitsOf(asker: Asker | undefined, address: string): Limits {
  if (asker === undefined) return {}
  return { [`address:${address}`]: OF_ADDRESS, ...(asker.user !== undefined && { [`user:${asker.user}`]: OF_USER }) }
}

async function turnOf(address: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const turns = waiting.get(address)
    if (turns) turns.push(resolve)
    else waiting.set(address, [resolve])
  })
}

/** Hands the place on. The address that had it comes after the others. */
function next(): void {
  const [first] = waiting
  if (first === undefined) {
    busy--
    return
  }
  const [address, [turn, ...rest]] = first
  waiting.delete(address)
  if (rest.length > 0) waiting.set(address, rest)
  turn?.()
}

function tooMany(code: string, what: string): TminusError {
  return new TminusError(`${what}; try again in a few seconds`, { code })
}
