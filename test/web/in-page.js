// Runs within a page of a test. It works without scripts of the page too.

/** What a page may show only with scripts: the player of a video, the tools of the graph, following a log, the zone. */
const ONLY_WITH_SCRIPTS = '.play, .graph-tools, .follow, #zones, #zone-note'
/** Boxes that work by the style sheet alone. */
const BY_STYLE = '#wrap, #full-screen'
/** What scripts write in another form: times and countdowns. */
const REWRITTEN = 'time, [data-away], [data-in-zone], .countdown'
/** Grows from one look to the next. */
const DURATION = /\b\d+(\.\d+)? (ms|s|min|h|d)\b( \d+ (ms|s|min|h)\b)?/g
const CONTROLS = 'a[href], button, input, select, textarea, summary'
const FOCUSABLE = `${CONTROLS}, [tabindex="0"]`

const isShown = (element) =>
  element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0
const shown = (selector) => [...document.querySelectorAll(selector)].filter(isShown)
const tagOf = (element) => element.cloneNode(false).outerHTML

/** How a control is named in a list: what a reader can do with it. */
function nameOf(element) {
  const what = ['href', 'name', 'value', 'type', 'id'].map((name) => element.getAttribute(name) ?? '')
  return [element.localName, ...what].join(' ')
}

function controls() {
  return shown(CONTROLS).filter((element) => !element.closest(ONLY_WITH_SCRIPTS))
}

/** Why a control without scripts does nothing; undefined if it works. */
function uselessBecause(element) {
  const { localName } = element
  if (localName === 'a') {
    const href = element.getAttribute('href')
    if (href.startsWith('#') && href !== '#' && !document.getElementById(href.slice(1))) return 'leads to nothing'
    return /^(https?|webcal|mailto):/.test(new URL(href, location.href).protocol) ? undefined : 'has no address'
  }
  if (localName === 'summary' || element.matches(BY_STYLE)) return undefined
  if (!element.form) return 'is in no form'
  if (localName === 'button') return element.type === 'submit' ? undefined : 'submits nothing'
  if (element.name === '' && !element.readOnly) return 'has no name'
  return element.form.querySelector('button:not([type=button]), input[type=submit]') || element.form.id
    ? undefined
    : 'its form has no button'
}

/** The forms as a browser would send them, one for each button. */
function forms() {
  return [...document.forms].flatMap((form) => {
    const buttons = [...form.elements].filter(({ type, disabled }) => type === 'submit' && !disabled)
    return buttons.map((button) => {
      const fields = [...new FormData(form, button)].filter(([, value]) => typeof value === 'string')
      const action = new URL(button.getAttribute('formaction') ?? form.getAttribute('action') ?? '', location.href)
      return { method: form.method.toUpperCase(), path: action.pathname + action.search, fields }
    })
  })
}

function links() {
  const all = [...document.querySelectorAll('a[href]')].map((link) => new URL(link.getAttribute('href'), location.href))
  return [
    ...new Set(
      all
        .filter(({ hash, host }) => hash === '' && host === location.host)
        .map(({ pathname, search }) => pathname + search),
    ),
  ]
}

/** The text of the page, line by line, without what scripts write in another form. */
function lines() {
  const skipped = [...document.querySelectorAll(`${ONLY_WITH_SCRIPTS}, ${REWRITTEN}`)]
  for (const element of skipped) element.style.display = 'none'
  const text = document.body.innerText.split('\n')
  for (const element of skipped) element.style.display = ''
  const words = text.map((line) => line.replace(/\s+/g, ' ').replace(DURATION, 'a while').trim())
  return words.filter(Boolean)
}

/** Outlines and shadows of an element, of what surrounds it and labels it. */
function looks(element) {
  const seen = [element, element.parentElement, element.labels?.[0]].filter(Boolean)
  return seen.flatMap((one) =>
    [null, '::before', '::after'].map((part) => {
      const { outlineStyle, outlineWidth, outlineColor, boxShadow } = getComputedStyle(one, part)
      return [outlineStyle === 'none' ? '' : outlineWidth + outlineColor, boxShadow].join()
    }),
  )
}

/** Elements of one kind have the same style. */
function kindOf(element) {
  const path = []
  for (let at = element; at && path.length < 4; at = at.parentElement)
    path.push(`${at.localName}.${at.getAttribute('class')}`)
  return path.join()
}

/** The controls that look the same with and without the focus. The last input must have been the keyboard's. */
function withoutFocus() {
  const found = []
  const seen = new Map()
  for (const element of document.querySelectorAll(FOCUSABLE)) {
    // The cells of a grid look the same: three of a kind are enough.
    const kind = kindOf(element)
    const count = seen.get(kind) ?? 0
    if (count === 3 || element.disabled || element.tabIndex < 0 || !isShown(element)) continue
    seen.set(kind, count + 1)
    document.activeElement?.blur()
    const before = looks(element)
    element.focus({ preventScroll: true })
    const after = looks(element)
    if (document.activeElement !== element || before.join() === after.join()) found.push(tagOf(element))
  }
  return found
}

/** If the document scrolls sideways: the elements that stick out, except those within a box that scrolls. */
function wider() {
  if (document.documentElement.scrollWidth <= innerWidth) return []
  const scrolls = (element) =>
    element && (getComputedStyle(element).overflowX !== 'visible' || scrolls(element.parentElement))
  const all = [...document.body.querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > innerWidth)
  return [`${document.documentElement.scrollWidth} px`, ...all.filter((one) => !scrolls(one.parentElement)).map(tagOf)]
}

globalThis.inPage = {
  head: () => ({
    h1: document.querySelectorAll('h1').length,
    title: document.title,
    lang: document.documentElement.lang,
  }),
  wider,
  controls: () => controls().map(nameOf),
  useless: () => controls().flatMap((one) => (uselessBecause(one) ? [`${tagOf(one)} ${uselessBecause(one)}`] : [])),
  forms,
  links,
  lines,
  withoutFocus,
}
