import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { get, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test, vi } from 'vitest'
import { openDoor } from '../../src/web/door.ts'

const ANY = { host: '127.0.0.1', port: 0 }

/** What has reached the servers of this process. */
const received: ServerResponse[] = []
diagnostics.subscribe('http.server.request.start', (message) => {
  received.push((message as { response: ServerResponse }).response)
})

test('what came before there was anybody to answer is answered then, bodies and all', async () => {
  const door = openDoor(ANY)
  const url = await door.url
  const early = fetch(url, { method: 'POST', body: 'early' }).then((answer) => answer.text())
  await vi.waitFor(() => expect(received).toHaveLength(1))
  door.answerWith((request, response) => void request.pipe(response))
  expect(await early).toBe('early')
  expect(await (await fetch(url, { method: 'POST', body: 'later' })).text()).toBe('later')
  await door.close()
})

test('whoever left before is not answered: nobody would tell a stream that its reader is gone', async () => {
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

test('closed before that, it hangs up on those who wait', async () => {
  const door = openDoor(ANY)
  const url = await door.url
  received.length = 0
  const early = expect(fetch(url)).rejects.toThrow('fetch failed')
  await vi.waitFor(() => expect(received).toHaveLength(1))
  await door.close()
  await early
})

test('that it cannot listen is told to whoever asks where it is, and to nobody else', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const door = openDoor({ host: '127.0.0.1', port })
  await door.close()
  await expect(door.url).rejects.toMatchObject({ name: 'UsageError', code: 'port_taken' })
  taken.close()
})
