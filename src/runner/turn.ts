/** Does its work when asked to, never twice at once; asked while that is under way, it does it once more. */
export class Turn {
  readonly #work: () => Promise<void>
  readonly #failed: (error: Error) => void
  #asked = false
  #working: Promise<void> | undefined

  constructor(work: () => Promise<void>, failed: (error: Error) => void) {
    this.#work = work
    this.#failed = failed
  }

  ask(): void {
    this.#asked = true
    this.#working ??= this.#workOff()
  }

  /** Resolves once nothing is asked for any more. */
  async done(): Promise<void> {
    while (this.#working !== undefined) await this.#working
  }

  async #workOff(): Promise<void> {
    while (this.#asked) {
      // Whatever else is decided before the event loop turns is served by the same work.
      await new Promise<void>((resolve) => process.nextTick(resolve))
      this.#asked = false
      await this.#work().catch(this.#failed)
    }
    this.#working = undefined
  }
}
