import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { get, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test, vi } from 'vitest'
import { openDoor } from '../../src/web/door.ts'

const ANY = { host: '127.0.0.1', port: 0 }

/** The responses to all requests that reached the servers of this process. */
const received: ServerResponse[] = []
diagnostics.subscribe('http.server.request.start', (message) => {
  received.push((message as { response: ServerResponse }).response)
})

test('early requests, bodies included, are answered when a listener is set', async () => {
  const door = openDoor(ANY)
  const url = await door.url
  const early = fetch(url, { method: 'POST', body: 'early' }).then((answer) => answer.text())
  await vi.waitFor(() => expect(received).toHaveLength(1))
  door.answerWith((request, response) => void request.pipe(response))
  expect(await early).toBe('early')
  expect(await (await fetch(url, { method: 'POST', body: 'later' })).text()).toBe('later')
  await door.close()
})

test('an early request whose client has disconnected is not answered', async () => {
  const door = openDoor(ANY)
  const url = await door.url
  received.length = 0
  const left = get(`${url}/left`).on('error', () => {})
  await vi.waitFor(() => expect(received).toHaveLength(1))
  left.destroy()
  await once(received[0] as ServerResponse, 'close')
  const answered: (string | undefined)[] = []
  door.answerWith((request, response) => {
    answered.push(request.url)
    response.end()
  })
  await fetch(`${url}/stayed`)
  expect(answered).toEqual(['/stayed'])
  await door.close()
})

test('closing before a listener is set disconnects waiting clients', async () => {
  const door = openDoor(ANY)
  const url = await door.url
  received.length = 0
  const early = expect(fetch(url)).rejects.toThrow('fetch failed')
  await vi.waitFor(() => expect(received).toHaveLength(1))
  await door.close()
  await early
})

test('a failure to listen rejects the url, and is no unhandled rejection', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const door = openDoor({ host: '127.0.0.1', port })
  await door.close()
  await expect(door.url).rejects.toMatchObject({ name: 'UsageError', code: 'port_taken' })
  taken.close()
})
