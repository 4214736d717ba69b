import type { ServerResponse } from 'node:http'
import type { Database } from '../../src/db/pool.ts'

/** A process that is killed after some awaits: statements, commits, received requests, answers about to be sent. */
export class Mortal {
  #left: number

  constructor(awaits: number) {
    this.#left = awaits
  }

  get dead(): boolean {
    return this.#left <= 0
  }

  /** For the hooks of a stand-in. True if the process is dead: then no process reads the answer. */
  dies(response: ServerResponse): boolean {
    this.#left -= 1
    if (this.dead) response.destroy()
    return this.dead
  }

  /** The database as this process sees it. */
  using(pool: Database): Database {
    const connect = async () => {
      const connection = await pool.connect()
      return instead(connection, {
        query: (...args: Parameters<typeof connection.query>) => this.#await(async () => connection.query(...args)),
        release: () => connection.release(true), // the server rolls back the open transaction, as after a kill
      })
    }
    const query = (...args: Parameters<typeof pool.query>) => this.#await(async () => pool.query(...args))
    return instead(pool, { connect, query })
  }

  async #await(statement: () => Promise<unknown>): Promise<unknown> {
    if (this.dead) throw new Error('killed')
    const result = await statement()
    this.#left -= 1
    if (this.dead) throw new Error('killed')
    return result
  }
}

/** The same object with some methods replaced. */
function instead<T extends object>(target: T, methods: Record<string, unknown>): T {
  return new Proxy(target, {
    get: (_, key) => {
      const value = methods[String(key)] ?? Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
