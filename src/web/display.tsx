/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { getCookie } from 'hono/cookie'
import type { WebContext } from './site.ts'

const ZONES = ['local', 'utc'] as const
const THEMES = ['system', 'light', 'dark'] as const

/** How a reader wants to see the pages. A cookie keeps it, so that the server draws the page in the right colours. */
interface Display {
  zone: (typeof ZONES)[number]
  theme: (typeof THEMES)[number]
}

export const DISPLAY_COOKIE = 'display'

export function displayOf(c: WebContext): Display {
  const [zone, theme] = (getCookie(c, DISPLAY_COOKIE) ?? '').split('.')
  return chosen(zone, theme)
}

export function chosen(zone: string | undefined, theme: string | undefined): Display {
  return { zone: ZONES.find((one) => one === zone) ?? 'local', theme: THEMES.find((one) => one === theme) ?? 'system' }
}

/** The switches in the footer. The page's script shows the one for the zone: without scripts all times are UTC. */
export function DisplayForm({ c }: { c: WebContext }) {
  // Not `new URL`: an error page is also drawn for a request whose Host is invalid.
  const back = c.req.url.replace(/^\w+:\/\/[^/]*/, '')
  const { zone, theme } = displayOf(c)
  return (
    <form class="display" method="post" action="/display">
      <input type="hidden" name="back" value={back} />
      <fieldset id="zones" class="segments" aria-label="Times" hidden>
        <Choice name="zone" value="local" text="Local time" now={zone} />
        <Choice name="zone" value="utc" text="UTC" now={zone} />
      </fieldset>
      <fieldset class="segments" aria-label="Colours">
        <Choice name="theme" value="system" text="System" now={theme} />
        <Choice name="theme" value="light" text="Light" now={theme} />
        <Choice name="theme" value="dark" text="Dark" now={theme} />
      </fieldset>
    </form>
  )
}

function Choice({ name, value, text, now }: { name: string; value: string; text: string; now: string }) {
  return (
    <button type="submit" class="small" name={name} value={value} aria-pressed={value === now ? 'true' : 'false'}>
      {text}
    </button>
  )
}
