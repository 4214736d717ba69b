/**
 * Does its work on request, but never two times in parallel. Requests that arrive during the work cause one more pass.
 */
export class CoalescedWork {
  readonly #work: () => Promise<void>
  readonly #failed: (error: Error) => void
  #isRequested = false
  #working: Promise<void> | undefined

  constructor(work: () => Promise<void>, failed: (error: Error) => void) {
    this.#work = work
    this.#failed = failed
  }

  request(): void {
    this.#isRequested = true
    this.#working ??= this.#run()
  }

  /** Resolves when this request and all requests after it are served. */
  async now(): Promise<void> {
    this.request()
    await this.done()
  }

  /** Resolves when no request is pending. */
  async done(): Promise<void> {
    while (this.#working !== undefined) await this.#working
  }

  async #run(): Promise<void> {
    while (this.#isRequested) {
      // Requests made before the next tick are served by the same pass.
      await new Promise<void>((resolve) => process.nextTick(resolve))
      this.#isRequested = false
      await this.#work().catch(this.#failed)
    }
    this.#working = undefined
  }
}
