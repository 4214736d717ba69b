import { createServer, connect as dial, type Socket } from 'node:net'

/** A network connection between a client and Postgres that a test can break. */
export interface Proxy {
  connectionString: string
  /** Breaks every connection, and accepts none until `mend`. With `half` the server does not notice. */
  cut(half?: boolean): void
  mend(): void
  close(): void
}

export async function openProxy(connectionString: string): Promise<Proxy> {
  const url = new URL(connectionString)
  // As pg reads an address: the folder of a Unix socket follows the question mark.
  const path = `${url.searchParams.get('host')}/.s.PGSQL.${url.port}`
  const pairs = new Set<[Socket, Socket]>()
  let isCut = false
  const server = createServer((client) => {
    if (isCut) return void client.destroy()
    const upstream = dial(path)
    pairs.add([client, upstream])
    client.on('data', (data) => upstream.write(data))
    upstream.on('data', (data) => client.writable && client.write(data))
    upstream.on('close', () => client.destroy())
    for (const socket of [client, upstream]) socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url.searchParams.delete('host')
  url.host = `127.0.0.1:${(server.address() as { port: number }).port}`
  const cut = (half = false) => {
    isCut = true
    for (const [client, upstream] of pairs) {
      client.destroy()
      if (!half) upstream.destroy()
    }
  }
  const close = () => {
    cut()
    server.close()
  }
  const mend = () => {
    isCut = false
  }
  return { connectionString: url.href, cut, mend, close }
}
