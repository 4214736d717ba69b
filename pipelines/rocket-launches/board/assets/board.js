// Updates countdowns, shows times in the reader's zone, and refreshes parts of the page. The page also works without
// it.
const zone = document.documentElement.dataset.zone === 'utc' ? { timeZone: 'UTC' } : {}
const zoned = (options) => new Intl.DateTimeFormat(undefined, { ...options, ...zone })
const DAY = { weekday: 'short', day: 'numeric', month: 'short' }
const CLOCK = { hour: '2-digit', minute: '2-digit' }
const day = zoned(DAY)
const clock = zoned(CLOCK)
const long = zoned({ ...DAY, year: 'numeric', ...CLOCK, timeZoneName: 'short' })

function zonedTimes(root) {
  for (const time of root.querySelectorAll('time[data-zoned]')) {
    const at = new Date(time.dateTime)
    if (time.dataset.zoned === 'long') time.textContent = long.format(at)
    else if (time.dataset.zoned === 'clock') time.textContent = clock.format(at)
    else {
      time.children[0].textContent = day.format(at)
      time.children[1].textContent = clock.format(at)
    }
  }
}

// Swedish dates are ISO dates: 2026-12-01.
const isoDay = new Intl.DateTimeFormat('sv-SE', { year: 'numeric', month: '2-digit', day: '2-digit', ...zone })

// Moves launches of the calendar to their days in the reader's zone. A launch that is in none of the days is hidden.
function zonedDays(root) {
  for (const calendar of root.querySelectorAll('.calendar')) {
    const dayOf = (time) => calendar.querySelector(`[data-day="${isoDay.format(new Date(time.dateTime))}"] .entries`)
    for (const time of calendar.querySelectorAll('time[data-zoned="clock"]')) {
      const [entry, day] = [time.closest('.entry'), dayOf(time)]
      entry.hidden = !day
      day?.append(entry)
    }
    // Launches without a time come last in their day.
    for (const entry of calendar.querySelectorAll('[data-day] .entry')) {
      if (!entry.querySelector('time')) entry.parentElement.append(entry)
    }
    for (const text of calendar.querySelectorAll('[data-in-zone]'))
      text.hidden = (text.dataset.inZone === 'utc') !== (zone.timeZone === 'UTC')
  }
}

function markToday() {
  const today = isoDay.format(now())
  for (const day of document.querySelectorAll('[data-day]')) {
    if (day.dataset.day === today) day.setAttribute('aria-current', 'date')
    else day.removeAttribute('aria-current')
  }
}

// Countdowns use the server's clock, because the reader's clock may be wrong and CLOCK may set the server's clock.
let ahead = 0
function readClock(root) {
  const source = root.matches?.('[data-now]') ? root : root.querySelector('[data-now]')
  if (source) ahead = Date.parse(source.dataset.now) - Date.now()
}
const now = () => Date.now() + ahead

function tick() {
  for (const timer of document.querySelectorAll('[data-countdown]')) {
    const ms = Date.parse(timer.dataset.countdown) - now()
    const s = Math.floor(Math.abs(ms) / 1000)
    const parts = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60]
    timer.querySelectorAll('.t-number').forEach((number, index) => {
      const text = String(parts[index]).padStart(2, '0')
      if (number.textContent !== text) number.textContent = text
      if (index === 0) number.parentElement.hidden = parts[0] === 0
    })
    timer.querySelector('.t-sign').textContent = ms < 0 ? 'T+' : 'T−'
  }
}

// As the server's texts in the language of the page.
const KOREAN = { day: '일', hour: '시간', min: '분' }
const AWAY =
  document.documentElement.lang === 'ko'
    ? { now: '지금', text: (count, unit, past) => `${count}${KOREAN[unit]} ${past ? '전' : '후'}` }
    : {
        now: 'now',
        text: (count, unit, past) => {
          const amount = `${count} ${unit}${count === 1 || unit === 'min' ? '' : 's'}`
          return past ? `${amount} ago` : `in ${amount}`
        },
      }

function relativeTimes(root = document) {
  for (const element of root.querySelectorAll('[data-away]')) {
    const ms = Date.parse(element.dataset.away) - now()
    const s = Math.floor(Math.abs(ms) / 1000)
    const [count, unit] =
      s >= 86400
        ? [Math.floor(s / 86400), 'day']
        : s >= 3600
          ? [Math.floor(s / 3600), 'hour']
          : [Math.floor(s / 60), 'min']
    element.textContent = s < 60 ? AWAY.now : AWAY.text(count, unit, ms < 0)
  }
}

// The HTML of each part as the server sent it. An unchanged part is not replaced, so it keeps its pictures and the
// focus.
const drawn = new Map()
const key = (html) =>
  html.replace(/ data-now="[^"]*"| hidden=""/g, '').replace(/(<span class="(t-number|t-sign|away)"[^>]*>)[^<]*/g, '$1')
for (const part of document.querySelectorAll('[data-part]')) drawn.set(part.id, key(part.outerHTML))

let due
function refreshSoon() {
  clearTimeout(due)
  due = setTimeout(() => (document.hidden ? undefined : refresh()), 1000)
}

async function refresh() {
  due = undefined
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } }).catch(() => undefined)
  if (!answer?.ok) return
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  for (const fresh of page.querySelectorAll('[data-part]')) {
    const html = key(fresh.outerHTML)
    const part = document.getElementById(fresh.id)
    // The page lacks this part if it was loaded before the first launches were stored.
    if (!part) return location.reload()
    if (drawn.get(fresh.id) === html || part.contains(document.activeElement)) continue
    drawn.set(fresh.id, html)
    part.replaceWith(document.adoptNode(fresh))
    show(fresh)
    window.tminus?.localTimes(fresh)
  }
}

// Removes a picture that fails to load. Otherwise the browser shows a broken image above the drawing.
const PICTURES = '.picture img, .screen img, .patch'
document.addEventListener('error', (event) => event.target.matches?.(PICTURES) && event.target.remove(), true)

// A video loads only after a click.
function showVideo(screen) {
  const frame = document.createElement('iframe')
  frame.src = `https://www.youtube-nocookie.com/embed/${screen.dataset.video}?autoplay=1`
  frame.title = screen.dataset.title
  frame.allow = 'autoplay; fullscreen; encrypted-media; picture-in-picture'
  // The player refuses to play for a page that it does not know.
  frame.referrerPolicy = 'strict-origin-when-cross-origin'
  screen.replaceChildren(frame)
  frame.focus()
}
for (const play of document.querySelectorAll('.play')) {
  play.hidden = false
  play.addEventListener('click', () => showVideo(play.parentElement))
}

function show(root) {
  for (const picture of root.querySelectorAll(PICTURES))
    if (picture.complete && picture.naturalWidth === 0) picture.remove()
  // Scrolls a chart that is wider than the screen to its end, the current state.
  for (const chart of root.querySelectorAll('.slips .scroll')) chart.scrollLeft = chart.scrollWidth
  readClock(root)
  zonedTimes(root)
  zonedDays(root)
  markToday()
  relativeTimes(root)
  tick()
}

show(document)
setInterval(tick, 1000)
setInterval(relativeTimes, 20_000)
setInterval(markToday, 20_000)
document.addEventListener('tminus:changed', refreshSoon)
// Refreshes the page when it becomes visible, if it missed a change while it was hidden.
document.addEventListener('visibilitychange', () => document.hidden || due === undefined || refreshSoon())
