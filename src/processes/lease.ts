import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { within } from '../clock.ts'
import type { Logger } from '../log.ts'
import { startPulse } from '../pulse.ts'
import type { JobKind } from './jobs.ts'
import type { LeaseData, LeaseMessage } from './lease-thread.ts'

export interface LeaseOptions {
  /** The metadata database; contains the password. */
  connectionString: string
  /** True: sends every statement without a name, because a pooler needs that. */
  unnamed: boolean
  schema: string
  kind: JobKind
  log: Logger
}

const RESTART_AFTER_MS = 5_000
const CLOSE_WITHIN_MS = 1_000

/**
 * A thread that renews the lease of this process from beside its event loop, so that a blocked loop is not mistaken for
 * a dead process. The thread records which task blocks the loop, and ends the process if the block lasts too long. The
 * thread does not keep the process alive.
 */
export class Lease {
  readonly #options: LeaseOptions
  #jobId = 0
  #worker: Worker | undefined
  #pulse: ReturnType<typeof startPulse> | undefined
  #restart: NodeJS.Timeout | undefined

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  /** Renews the lease of this job from now on. */
  keep(jobId: number): void {
    this.#jobId = jobId
    this.#pulse ??= startPulse()
    if (this.#worker === undefined) this.#start()
    else this.#send({ jobId })
  }

  async close(): Promise<void> {
    this.#pulse?.stop()
    this.#pulse = undefined
    clearTimeout(this.#restart)
    const worker = this.#worker
    if (worker === undefined) return
    // A thread that is still loading ends after that: terminating it then may never succeed on Node 24.
    const late = setTimeout(() => void worker.terminate(), CLOSE_WITHIN_MS)
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    this.#send('close')
    await within(2 * CLOSE_WITHIN_MS, ended)
    clearTimeout(late)
  }

  #start(): void {
    if (this.#pulse === undefined) return
    const { log, ...options } = this.#options
    const data: LeaseData = { ...options, memory: this.#pulse.memory, jobId: this.#jobId }
    const worker = openThread(data)
    worker.unref()
    worker.on('error', (error) => log.error({ err: error }, 'the thread that renews the lease failed; restarting it'))
    worker.on('exit', () => {
      this.#worker = undefined
      if (this.#pulse !== undefined) this.#restart = setTimeout(() => this.#start(), RESTART_AFTER_MS).unref()
    })
    this.#worker = worker
  }

  #send(message: LeaseMessage): void {
    this.#worker?.postMessage(message)
  }
}

function openThread(data: LeaseData): Worker {
  const isBuilt = import.meta.url.endsWith('.js')
  const entry = new URL(isBuilt ? './lease-thread.js' : './lease-thread.ts', import.meta.url)
  const file = isBuilt ? entry : new URL('./from-source.cjs', import.meta.url)
  return new Worker(file, { workerData: { ...data, entry: fileURLToPath(entry) } })
}
