/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { safeHref } from './parts.tsx'
import { isHttps } from './security.ts'
import type { WebContext } from './site.ts'

/** The parts of a link preview, besides the page's title and description. */
export interface Share {
  /** The page's canonical path on this site, with the relevant part of the query. */
  path: string
  /** An http(s) address; others are ignored. */
  image?: { src: string | undefined; alt: string }
}

/**
 * Open Graph (https://ogp.me) and the tags that Twitter cards add
 * (https://developer.x.com/en/docs/x-for-websites/cards/overview/markup). Our own pages do not load these addresses.
 */
export function ShareTags({ c, title, description, share }: ShareProps) {
  const origin = originOf(c)
  const url = origin && origin + share.path
  const image = safeHref(share.image?.src)
  const tags = [
    ['og:site_name', 'T-minus'],
    ['og:type', 'website'],
    ['og:title', title],
    ['og:description', description],
    ['og:url', url],
    ['og:image', image],
    ['og:image:alt', image && share.image?.alt],
  ] as const
  return (
    <>
      {url && <link rel="canonical" href={url} />}
      {tags.map(([property, content]) => content && <meta property={property} content={content} />)}
      <meta name="twitter:card" content={image ? 'summary_large_image' : 'summary'} />
    </>
  )
}

interface ShareProps {
  c: WebContext
  title: string
  description: string | undefined
  share: Share
}

/**
 * The site's address as the reader sees it; undefined if it is not certain. The address is certain on loopback, where
 * other names are refused, and behind a trusted proxy. Otherwise a client can send any `Host`.
 */
export function originOf(c: WebContext): string | undefined {
  const { loopback, trustProxy } = c.var.site
  const host = c.req.header('host') ?? ''
  if (!(loopback || trustProxy) || !HOST.test(host)) return undefined
  return `${isHttps(c) ? 'https' : 'http'}://${host.toLowerCase()}`
}

const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,39}\])(?::\d{1,5})?$/i
