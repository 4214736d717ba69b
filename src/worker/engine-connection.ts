import type { PoolClient } from 'pg'

/**
 * A connection for graphile-worker that ignores its notices of migrations. Their channel covers the whole database. So
 * a migration of another application would stop this process's engine until its longest task has ended, and our
 * migration would stop theirs.
 */
export function withoutMigrationNotices(client: PoolClient): PoolClient {
  const query = (text: unknown, ...rest: unknown[]) => {
    if (text === NOTIFY && (rest[0] as unknown[] | undefined)?.[0] === CHANNEL) return Promise.resolve({ rows: [] })
    const wanted = typeof text === 'string' ? text.replace(` LISTEN "${CHANNEL}";`, '') : text
    return (client.query as (...args: unknown[]) => unknown)(wanted, ...rest)
  }
  return new Proxy(client, {
    get: (target, name) => {
      const value = name === 'query' ? query : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const CHANNEL = 'worker:migrate'
const NOTIFY = 'select pg_notify($1, $2)'
