// Scrolls to the newest log line until the reader scrolls up.
let followed = true
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
