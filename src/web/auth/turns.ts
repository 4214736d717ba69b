import { TminusError } from '../../errors.ts'
import { networkKey } from '../address.ts'
import { type Limits, Shares } from '../shares.ts'

/** The client that a password is hashed for. */
export interface Client {
  address: string
  /** Only set for a session, because anyone can enter any name at a login. */
  user?: string
}

/** The number of hashes computed at a time (limited by their memory), and the length of the queue. */
const AT_ONCE = 2
const MOST_WAITING = 32
/** Running and waiting hashes of one user, and of one address, which several users may share. */
const OF_USER = 2
const OF_ADDRESS = 12

const shares = new Shares()
let places = 0
let running = 0
/** The waiting requests of each address. The address whose turn is next comes first. */
const waiting = new Map<string, (() => void)[]>()

/** Runs `work` when it is the client's turn. Throws the same errors as `withPlace`. */
export async function inTurn<T>(client: Client | undefined, work: () => Promise<T>): Promise<T> {
  return await withPlace(client, (turn) => turn(work))
}

/**
 * Takes a place in the queue; `turn` runs its work when it is the client's turn. Addresses take turns, so that an
 * address with many requests delays each other address by at most one hash. Throws TminusError: `login_share` if the
 * client has used up its share, `login_busy` if the queue is full.
 */
export async function withPlace<T>(client: Client | undefined, use: (turn: Turn) => Promise<T>): Promise<T> {
  const address = client === undefined ? '' : networkKey(client.address)
  if (places >= AT_ONCE + MOST_WAITING) throw tooMany('login_busy', 'Too many people are signing in')
  const release = shares.take(limitsOf(client, address))
  if (release === undefined) throw tooMany('login_share', 'Too many sign-ins from you or your address at once')
  places++
  try {
    return await use(async (work) => {
      if (running >= AT_ONCE) await waitForTurn(address)
      else running++
      return await work().finally(startNext)
    })
  } finally {
    places--
    release()
  }
}

type Turn = <T>(work: () => Promise<T>) => Promise<T>

function limitsOf(client: Client | undefined, address: string): Limits {
  if (client === undefined) return {}
  return { [`address:${address}`]: OF_ADDRESS, ...(client.user !== undefined && { [`user:${client.user}`]: OF_USER }) }
}

async function waitForTurn(address: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const turns = waiting.get(address)
    if (turns) turns.push(resolve)
    else waiting.set(address, [resolve])
  })
}

/** Starts the next waiting work. Its address then moves to the end of the queue. */
function startNext(): void {
  const [first] = waiting
  if (first === undefined) {
    running--
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
