/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Child, WebContext } from 'tminus/web'

export interface PageProps {
  c: WebContext
  base: string
}

interface HeadProps {
  title: string
  base: string
  /** The page between the board and this page. */
  within?: { title: string; path: string }
  children?: Child
}

/** The title of a page of the operators, below the way back to the board. */
export function Head({ title, base, within, children }: HeadProps) {
  return (
    <div class="head">
      <div>
        <p class="crumbs">
          <a href={base === '' ? '/' : base}>Board</a>
          {within && (
            <>
              {' / '}
              <a href={`${base}${within.path}`}>{within.title}</a>
            </>
          )}
        </p>
        <h1>{title}</h1>
        {children && <p>{children}</p>}
      </div>
    </div>
  )
}
