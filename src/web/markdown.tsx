/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { raw } from 'hono/html'
import MarkdownIt from 'markdown-it'
import { beginning, SHOWN } from './excerpt.ts'
import { safeHref } from './parts.tsx'

/**
 * Draws the Markdown of an author. HTML in it is shown as text. Only http(s) addresses become links, and pictures are not
 * loaded. Headings start at level 2, below that of the page.
 */
export function Markdown({ text, scrub }: { text: string; scrub: (text: string) => string }) {
  return <div class="doc">{raw(markdown.render(beginning(text.trim(), SHOWN.block, scrub)))}</div>
}

const markdown = new MarkdownIt({ html: false, linkify: true }).disable('image')
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false })
markdown.validateLink = (url) => safeHref(url) !== undefined
const { rules } = markdown.renderer
rules.heading_open = (tokens, index) => `<h${levelOf(tokens[index]?.tag)}>`
rules.heading_close = (tokens, index) => `</h${levelOf(tokens[index]?.tag)}>\n`
rules.link_open = (tokens, index, options, _env, self) => {
  tokens[index]?.attrSet('rel', 'noopener noreferrer')
  return self.renderToken(tokens, index, options)
}
// A wide table or block scrolls, also by the keyboard.
rules.table_open = () => '<section class="scroll" aria-label="Table" tabindex="0"><table>\n'
rules.table_close = () => '</table></section>\n'

function levelOf(tag = 'h1'): number {
  return Math.min(6, Number(tag.slice(1)) + 1)
}
