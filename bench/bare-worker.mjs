import { runTaskList } from 'graphile-worker'
import pg from 'pg'

/** Bare graphile-worker: `step` adds the next job of its chain of three; the last one notifies. */
const pgPool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 12 })
pgPool.on('error', () => {}).on('connect', (client) => client.on('error', () => {}))
const step = async ({ id, n }, { addJob, withPgClient }) => {
  if (n < 2) await addJob('step', { id, n: n + 1 })
  else await withPgClient((client) => client.query(`select pg_notify('bare_done', $1)`, [String(id)]))
}
const options = { schema: 'bare', concurrency: Number(process.env.CONCURRENCY), pollInterval: 5_000 }
runTaskList(options, { step }, pgPool)
console.log('executing tasks')
