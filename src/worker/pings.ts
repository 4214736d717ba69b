import type { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/**
 * The positions in the shared table: a lock, a signal that wakes the thread, then one descriptor for each child (0:
 * free).
 */
const [LOCK, WAKE, FIRST] = [0, 1, 2]
const MAX_CHILDREN = 4_000

/**
 * Pings the children from a thread. So children do not believe that their parent is frozen while a task blocks this
 * process. The thread writes to descriptors that the main thread owns. The lock ensures that it never writes to a
 * closed descriptor, because the number may already belong to another connection.
 */
export class Pings {
  readonly #everyMs: number
  readonly #table = new Int32Array(new SharedArrayBuffer((FIRST + MAX_CHILDREN) * 4))
  #thread: Worker | undefined

  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  /** Pings this child until its socket closes. */
  add(socket: Socket): void {
    const fd = descriptorOf(socket)
    const place = this.#table.indexOf(0, FIRST)
    if (fd === undefined || place < 0) return
    this.#locked(() => {
      this.#table[place] = fd
    })
    const destroy = socket._destroy.bind(socket)
    // The stream calls this method before it closes the descriptor, whatever the reason.
    socket._destroy = (error, done) => {
      this.#locked(() => {
        if (this.#table[place] === fd) this.#table[place] = 0
      })
      destroy(error, done)
    }
    this.#start()
  }

  /** The thread ends by itself: `terminate` could leave the lock held. */
  close(): void {
    Atomics.store(this.#table, WAKE, 1)
    Atomics.notify(this.#table, WAKE)
  }

  #start(): void {
    if (this.#thread !== undefined) return
    const workerData = { table: this.#table, everyMs: this.#everyMs }
    this.#thread = new Worker(PING, { eval: true, execArgv: [], env: {}, workerData })
    this.#thread.unref()
  }

  /** The thread holds the lock only for writes that do not block. */
  #locked(work: () => void): void {
    while (Atomics.compareExchange(this.#table, LOCK, 0, 1) !== 0) Atomics.wait(this.#table, LOCK, 1, 10)
    work()
    Atomics.store(this.#table, LOCK, 0)
    Atomics.notify(this.#table, LOCK)
  }
}

function descriptorOf(socket: Socket): number | undefined {
  const { _handle } = socket as Socket & { _handle?: { fd?: number } | null }
  const fd = _handle?.fd
  return fd !== undefined && fd > 0 ? fd : undefined
}

const PING = `
const { table, everyMs } = require('node:worker_threads').workerData
const { writeSync } = require('node:fs')
while (Atomics.wait(table, ${WAKE}, 0, everyMs) === 'timed-out') {
  while (Atomics.compareExchange(table, ${LOCK}, 0, 1) !== 0) Atomics.wait(table, ${LOCK}, 1, 10)
  for (let place = ${FIRST}; place < table.length; place++) {
    if (table[place] === 0) continue
    // The child has ended or does not read its pings.
    try { writeSync(table[place], '.') } catch {}
  }
  Atomics.store(table, ${LOCK}, 0)
  Atomics.notify(table, ${LOCK})
}
`
