// Scrolls to the newest log line until the reader scrolls up.
let followed = !document.querySelector('.linked')
function scrollDown() {
  const log = document.getElementById('log')
  if (log && followed) log.scrollTop = log.scrollHeight
}
function prepare() {
  const box = document.getElementById('follow')
  const log = document.getElementById('log')
  if (box) {
    box.closest('[hidden]')?.removeAttribute('hidden')
    box.checked = followed
    box.onchange = () => {
      followed = box.checked
      scrollDown()
    }
  }
  if (log)
    log.onscroll = () => {
      followed = log.scrollTop + log.clientHeight >= log.scrollHeight - 24
      if (box) box.checked = followed
    }
  scrollDown()
}
// Keeps the scroll position when the page reloads the log.
let top = 0
document.addEventListener('htmx:beforeSwap', () => {
  top = document.getElementById('log')?.scrollTop ?? 0
})
document.addEventListener('htmx:afterSwap', () => {
  const log = document.getElementById('log')
  if (log && !followed) log.scrollTop = top
  prepare()
})
document.addEventListener('DOMContentLoaded', prepare)
// The arrow keys go from the link of a line to that of the next one; the tab key skips them. Escape leaves full screen.
document.addEventListener('keydown', (event) => {
  const full = document.getElementById('full-screen')
  if (event.key === 'Escape' && full?.checked) full.checked = false
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (!step || !event.target.matches('.line > a')) return
  const links = [...document.querySelectorAll('.line > a')].filter((one) => one.checkVisibility())
  links[links.indexOf(event.target) + step]?.focus()
  event.preventDefault()
})
// Remembers whether this reader wraps lines.
document.addEventListener('DOMContentLoaded', () => {
  const wrap = document.getElementById('wrap')
  if (!wrap) return
  // A browser may block the storage. Then the switch works for this page only.
  try {
    wrap.checked = localStorage.getItem('wrap') !== 'no'
    wrap.addEventListener('change', () => localStorage.setItem('wrap', wrap.checked ? 'yes' : 'no'))
  } catch {}
})
