/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { commandFor } from '../command-for.ts'
import { VERSION } from '../version.ts'
import { assetUrl } from './assets.ts'
import { type Attention, AttentionBadge } from './attention.tsx'
import { CodeNotice } from './code-notice.tsx'
import { DisplayForm, displayOf } from './display.tsx'
import { Sprite } from './parts.tsx'
import { type Share, ShareTags } from './share.tsx'
import type { Site, Viewer, WebContext } from './site.ts'

export interface PageProps {
  c: WebContext
  /** Shown before the site's name in the window title. */
  title: string
  /** The language of the content; navigation and footer are English. Default: en. */
  lang?: string
  /** One sentence for search engines and previews. */
  description?: string | undefined
  /** For previews of links to this page. */
  share?: Share
  /** Feeds of the page's content, for feed readers. */
  feeds?: readonly { href: string; title: string }[]
  /** Paths of more scripts (modules) and style sheets. They must be on this site: the CSP blocks all others. */
  scripts?: readonly string[]
  styles?: readonly string[]
  children?: Child
}

/** A whole document: head, navigation, content, footer. `c.html(<Page c={c} title="…">…</Page>)`. */
export function Page({ c, title, lang = 'en', description, share, feeds = [], children, ...files }: PageProps) {
  const { scripts = [], styles = [] } = files
  const { site, viewer, attention } = c.var as { site: Site; viewer: Viewer | undefined; attention?: Attention }
  const display = displayOf(c)
  return (
    <>
      {raw('<!doctype html>')}
      <html lang={lang} data-theme={display.theme} data-zone={display.zone}>
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content={display.theme === 'system' ? 'light dark' : display.theme} />
          <meta name="htmx-config" content={HTMX} />
          {description && <meta name="description" content={description} />}
          {share && <ShareTags c={c} title={title} description={description} share={share} />}
          <title>{`${title} · T-minus`}</title>
          <link rel="icon" href={assetUrl('favicon.svg')} type="image/svg+xml" />
          <link rel="stylesheet" href={assetUrl('site.css')} />
          {feeds.map(({ href, title }) => (
            <link rel="alternate" type="application/atom+xml" href={href} title={title} />
          ))}
          {styles.map((href) => (
            <link rel="stylesheet" href={href} />
          ))}
          <script src={assetUrl('htmx.js')} defer />
          <script src={assetUrl('site.js')} type="module" />
          {scripts.map((src) => (
            <script src={src} type="module" />
          ))}
        </head>
        <body>
          <Sprite />
          <a class="skip" href="#main" lang="en">
            Skip to content
          </a>
          <Top path={c.req.path} site={site} viewer={viewer} attention={attention} />
          <main id="main" tabindex={-1}>
            <CodeNotice c={c} />
            {children}
          </main>
          <Foot c={c} site={site} viewer={viewer} />
        </body>
      </html>
    </>
  )
}

/** The heading of a page, with a sentence below it. */
export function Title({ text, children }: { text: string; children?: Child }) {
  return (
    <div class="head">
      <div>
        <h1>{text}</h1>
        {children && <p>{children}</p>}
      </div>
    </div>
  )
}

/** Turns off the features that the CSP blocks: eval and inline styles. */
const HTMX = JSON.stringify({
  includeIndicatorStyles: false,
  allowEval: false,
  selfRequestsOnly: true,
  historyCacheSize: 0,
})

interface TopProps {
  path: string
  site: Site
  viewer: Viewer | undefined
  attention: Attention | undefined
}

function Top({ path, site, viewer, attention }: TopProps) {
  const links = [
    ...site.boards.map(({ dagId, base }) => ({ href: base || '/', text: base === '' ? 'Board' : dagId })),
    { href: '/dags', text: 'Pipelines' },
    { href: '/runs', text: 'Runs' },
    { href: '/pools', text: 'Pools' },
    { href: '/jobs', text: 'Jobs' },
    { href: '/status', text: 'Health' },
    ...(viewer?.role === 'admin' && viewer.name !== null ? [{ href: '/users', text: 'Users' }] : []),
  ]
  const current = currentOf(
    path,
    links.map(({ href }) => href),
  )
  return (
    <header class="top">
      <a class="brand" href="/" aria-label="T-minus, start page">
        <Mark />
        <span>T-minus</span>
      </a>
      {viewer && (
        <nav aria-label="Main">
          {links.map(({ href, text }) => (
            <a href={href} aria-current={href === current ? 'page' : undefined}>
              {text}
              {href === '/status' && <AttentionBadge problems={attention} />}
            </a>
          ))}
        </nav>
      )}
      {viewer?.name != null && (
        <form class="whoami" method="post" action="/logout">
          <a href="/account" title={`Signed in as ${viewer.name}, ${viewer.role}`}>
            {viewer.name} <small>{viewer.role}</small>
          </a>
          <button type="submit" class="quiet">
            Sign out
          </button>
        </form>
      )}
    </header>
  )
}

/**
 * Returns the link whose path is the longest prefix of `path`. For example, the page of a launch belongs to the board.
 */
function currentOf(path: string, hrefs: readonly string[]): string | undefined {
  if (/^\/(login|account|users)\b/.test(path) && !hrefs.includes(path)) return undefined
  const fitting = hrefs.filter((href) => href === path || path.startsWith(`${href === '/' ? '' : href}/`))
  return fitting.sort((a, b) => b.length - a.length)[0]
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <path d="M16 2c5 4 7 9 7 14l-2 6H11l-2-6c0-5 2-10 7-14z" />
      <path class="flame" d="M13 24h6l-3 7z" />
      <circle cx="16" cy="13" r="3" />
    </svg>
  )
}

function Foot({ c, site, viewer }: { c: WebContext; site: Site; viewer: Viewer | undefined }) {
  return (
    <footer class="foot">
      <DisplayForm c={c} />
      {viewer?.name === null && (
        <p>
          Open to anyone on this machine, because there are no users yet. To require a sign-in:{' '}
          <code>{commandFor('users create NAME --role admin')}</code>
        </p>
      )}
      <p>
        T-minus {VERSION} · <span id="zone-note">times are in UTC</span>
        {Math.abs(site.now().getTime() - Date.now()) > 60_000 && ' · the clock of this process is set by CLOCK'}
      </p>
    </footer>
  )
}
