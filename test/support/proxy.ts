import { createServer, connect as dial, type Socket } from 'node:net'

/** A network between a client and Postgres, to be cut or frozen. */
export interface Proxy {
  connectionString: string
  /** Breaks every connection, and lets none through until `mend`. With `half` the server is told nothing. */
  cut(half?: boolean): void
  /** From now on the connections that are open carry nothing, and neither side is told. With `all`, new ones neither. */
  freeze(all?: boolean): void
  mend(): void
  close(): void
}

/** @param host the address of this machine to listen at */
export async function openProxy(connectionString: string, host = '127.0.0.1'): Promise<Proxy> {
  const url = new URL(connectionString)
  // As pg reads it: the folder of a Unix socket stands behind the question mark.
  const path = `${url.searchParams.get('host')}/.s.PGSQL.${url.port}`
  const pairs = new Set<[Socket, Socket]>()
  const frozen = new Set<Socket>()
  let isCut = false
  let isFrozen = false
  // Half open, so that a frozen connection does not answer a goodbye.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (isCut) return void client.destroy()
    const upstream = dial(path)
    pairs.add([client, upstream])
    for (const socket of [client, upstream]) {
      if (isFrozen) frozen.add(socket)
      socket.on('error', () => {})
    }
    client.on('data', (data) => frozen.has(client) || upstream.write(data))
    upstream.on('data', (data) => client.writable && !frozen.has(client) && client.write(data))
    upstream.on('close', () => frozen.has(client) || client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  url.searchParams.delete('host')
  url.host = `${host}:${(server.address() as { port: number }).port}`
  const cut = (half = false) => {
    isCut = true
    for (const [client, upstream] of pairs) {
      client.destroy()
      if (!half) upstream.destroy()
    }
  }
  const freeze = (all = false) => {
    isFrozen = all
    for (const pair of pairs) for (const socket of pair) frozen.add(socket)
  }
  const close = () => {
    cut()
    server.close()
  }
  const mend = () => {
    isCut = false
    isFrozen = false
  }
  return { connectionString: url.href, cut, freeze, mend, close }
}
