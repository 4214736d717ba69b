import { PLACE, type Place } from '../command-for.ts'
import { isLoopback } from '../web/host.ts'

/** Says where the page is. In a container it names the port, because the address is not reachable from outside. */
export function pageWords(url: string, host: string, place: Place = PLACE): string {
  if (place !== 'container') return `the page is at ${url}`
  if (isLoopback(host)) {
    return 'the page is open inside this container only; to reach it from outside set WEB_HOST=0.0.0.0, ADMIN_USER and ADMIN_PASSWORD'
  }
  const { port } = new URL(url)
  return `the page listens on port ${port} of this container; docker compose port app ${port} shows where it is published`
}
