import { messageOf } from '../errors.ts'
import type { Ending } from '../metadata/transitions.ts'
import { failure } from './active-run.ts'

export interface Settled {
  index: number
  tryNumber: number
  ending: Ending
}

/** How tries of a run ended, until that is known to be written: after a refused write they are applied again. */
export class Endings {
  #unwritten: Settled[] = []
  /** So many of the first ones are in the write under way, if there is one. */
  #flying: number | undefined

  get isWriting(): boolean {
    return this.#flying !== undefined
  }

  add(settled: Settled): void {
    this.#unwritten.push(settled)
  }

  writing(): void {
    this.#flying = this.#unwritten.length
  }

  /** What the database refused outright would be refused again: the try has failed instead. */
  written(result: boolean | Error): void {
    const flying = this.#unwritten.splice(0, this.#flying)
    this.#flying = undefined
    if (result === false) this.#unwritten.unshift(...flying)
    if (!(result instanceof Error)) return
    const ending = failure(`its result could not be stored: ${messageOf(result)}`)
    this.#unwritten.unshift(...flying.map((settled) => ({ ...settled, ending })))
  }

  takeAll(): Settled[] {
    return this.#unwritten.splice(0)
  }
}
