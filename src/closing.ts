/** Closes resources in reverse order. The second call to `close` returns the result of the first. */
export class Closing {
  #steps: (() => unknown)[] = []
  #closed: Promise<void> | undefined

  add(step: () => unknown): void {
    this.#steps.push(step)
  }

  close(): Promise<void> {
    this.#closed ??= this.#run()
    return this.#closed
  }

  async #run(): Promise<void> {
    for (const step of this.#steps.reverse()) await step()
  }
}
