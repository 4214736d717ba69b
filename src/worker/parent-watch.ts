import { Worker } from 'node:worker_threads'

/** The descriptor of the pipe to the parent's ping thread. */
export const PING_FD = 4

/** A child may use this much memory in addition to its heap, for buffers, code, and the libraries of Node. */
export const BESIDE_HEAP_MB = 256

export interface ParentWatchOptions {
  /** The child ends after this time without a ping. */
  silentMs: number
  /** The heap's limit; undefined: memory is not watched. */
  memoryMb: number | undefined
}

/**
 * Starts a thread in a child. The thread ends the child's whole process group if the parent is gone, if the parent has
 * been silent for too long, or if the child uses too much memory. The thread works even while a task blocks the child.
 */
export function watchParent({ silentMs, memoryMb }: ParentWatchOptions): void {
  const mostBytes = memoryMb === undefined ? null : (memoryMb + BESIDE_HEAP_MB) * 2 ** 20
  const workerData = { silentMs, mostBytes, fd: PING_FD }
  new Worker(WATCH, { eval: true, execArgv: [], env: {}, workerData }).unref()
}

/**
 * A child that was stopped reads its pings only after this timer. So the child ends only if two consecutive checks find
 * no ping. The thread writes one word to the parent: the reason.
 */
const WATCH = `
const { workerData } = require('node:worker_threads')
const { silentMs, mostBytes, fd } = workerData
const end = () => {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}
let heardAt = performance.now()
let wasSilent = false
const pipe = new (require('node:net').Socket)({ fd })
pipe.on('data', () => { heardAt = performance.now() }).on('error', end).on('close', end)
setInterval(() => {
  const isSilent = performance.now() - heardAt > silentMs
  if (isSilent && wasSilent) end()
  wasSilent = isSilent
  if (mostBytes === null || process.memoryUsage.rss() <= mostBytes) return
  pipe.write('memory', end)
  setTimeout(end, 200)
}, Math.min(1_000, silentMs / 4))
`
