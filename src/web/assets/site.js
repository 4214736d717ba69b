// Shows times in the reader's zone (or in UTC, as chosen in the footer) and keeps live pages current. Every page also works without this script.
const isUtc = document.documentElement.dataset.zone === 'utc'
const zone = isUtc ? { timeZone: 'UTC' } : {}
const zoned = (options) => new Intl.DateTimeFormat(undefined, { ...options, ...zone })
const day = { year: 'numeric', month: 'short', day: 'numeric' }
const FORMS = {
  time: zoned({
    ...day,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    ...(isUtc && { timeZoneName: 'short' }),
  }),
  date: zoned(day),
  clock: zoned({ hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hourCycle: 'h23' }),
}
// As on the server: without this year, and without seconds if there are none.
function short(at, seconds = at.getSeconds() === 0 ? {} : { second: '2-digit' }) {
  const year = at.getFullYear() === new Date().getFullYear() ? {} : { year: 'numeric' }
  const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...seconds }
  return at.toLocaleString(undefined, { day: 'numeric', month: 'short', ...year, ...clock, ...zone })
}
FORMS.short = { format: (at) => short(at) }
FORMS.ago = { format: (at) => short(at, {}) }
FORMS.next = FORMS.ago
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })

function distance(ms) {
  const s = Math.round(ms / 1000)
  for (const [unit, length] of [
    ['hour', 3600],
    ['minute', 60],
  ])
    if (Math.abs(s) >= length) return relative.format(Math.trunc(s / length), unit)
  return relative.format(s, 'second')
}

function localTimes(root = document) {
  for (const time of root.querySelectorAll('time[data-show]')) {
    const at = new Date(time.dateTime)
    const { show } = time.dataset
    const away = at - Date.now()
    const near = (show === 'ago' || show === 'next') && Math.abs(away) < 86_400_000
    const text = near ? distance(away) : FORMS[show]?.format(at)
    time.textContent = show === 'next' && away < -500 ? `was due ${text}` : text
    if (!time.dataset.utc) time.dataset.utc = time.title
    if (!isUtc) time.title = [FORMS.time.format(at), time.dataset.utc].filter(Boolean).join(' · ')
  }
}

// The attribute data-live names the live data that an element shows. After each change event it is reloaded in place,
// together with the element that data-also selects.
let source
let following
function follow() {
  const live = document.querySelector('[data-live]')
  if (!live || following === live.dataset.live) return
  following = live.dataset.live
  source?.close()
  source = new EventSource(`/live/${following}?seen=${encodeURIComponent(live.dataset.mark ?? '')}`)
  source.addEventListener('changed', refresh)
  source.addEventListener('error', refused)
}

// If the server is down, the browser reconnects by itself. If the server refused the stream, retries later, unless the
// session has ended.
async function refused({ target }) {
  if (target.readyState !== EventSource.CLOSED) return
  const answer = await fetch(location.href, { method: 'HEAD' }).catch(() => undefined)
  // Reloading leads to the login, and then back to this page.
  if (answer?.status === 401) return location.reload()
  if (target !== source) return
  following = undefined
  setTimeout(follow, 5000)
}

let refreshing
let again = false
async function refresh() {
  if (refreshing) {
    again = true
    return
  }
  refreshing = location.href
  const live = document.querySelector('[data-live]')
  const own = live?.dataset.refresh
  if (own) document.dispatchEvent(new CustomEvent('tminus:changed'))
  else if (live)
    await htmx
      .ajax('GET', location.href, {
        target: '[data-live]',
        select: '[data-live]',
        selectOOB: live.dataset.also,
        swap: 'outerHTML',
      })
      .catch(() => {})
  refreshing = undefined
  if (again) {
    again = false
    refresh()
  }
}

// If the reader has searched in the meantime, drop this answer and reload again.
document.addEventListener('htmx:beforeSwap', (event) => {
  if (event.detail.requestConfig.path !== refreshing || refreshing === location.href) return
  event.detail.shouldSwap = false
  again = true
})

document.addEventListener('DOMContentLoaded', () => {
  localTimes()
  const note = document.getElementById('zone-note')
  if (note && !isUtc) note.textContent = 'times are in your zone, hover for UTC'
  document.getElementById('zones')?.removeAttribute('hidden')
  follow()
  // On a narrow screen the open tab or link may be scrolled out of view.
  for (const open of document.querySelectorAll('.top [aria-current], .tabs [aria-current]'))
    open.scrollIntoView({ block: 'nearest', inline: 'nearest' })
})
// Runs before the page is painted, because a time that changes its width later would move the content.
document.addEventListener('htmx:afterSwap', () => {
  localTimes()
  follow()
})
window.tminus = { localTimes, follow }
// Relative times.
setInterval(() => localTimes(), 30_000)
// A field with data-submit submits its form when it changes.
document.addEventListener('change', (event) => {
  if (event.target.matches('[data-submit]')) event.target.form.requestSubmit()
})
