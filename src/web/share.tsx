/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { safeHref } from './parts.tsx'
import { isHttps } from './security.ts'
import type { WebContext } from './site.ts'

/** What a link to a page shows elsewhere, besides the page's own title and description. */
export interface Share {
  /** The page's one address: a path of this site, with what belongs to it of the query. */
  path: string
  /** An http(s) address; any other is left out. */
  image?: { src: string | undefined; alt: string }
}

/**
 * Open Graph (https://ogp.me) and what Twitter cards add to it
 * (https://developer.x.com/en/docs/x-for-websites/cards/overview/markup). Texts only: nothing of it is loaded here.
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
 * Where the reader reaches this site, as far as that is known to be so: on loopback any other name has been refused, and
 * a proxy that is trusted hands on the name it serves. Elsewhere `Host` is whatever somebody sends.
 */
export function originOf(c: WebContext): string | undefined {
  const { loopback, trustProxy } = c.var.site
  const host = c.req.header('host') ?? ''
  if (!(loopback || trustProxy) || !HOST.test(host)) return undefined
  return `${isHttps(c) ? 'https' : 'http'}://${host.toLowerCase()}`
}

const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,39}\])(?::\d{1,5})?$/i
