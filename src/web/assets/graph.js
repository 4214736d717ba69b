// Moves and zooms the graph by its viewBox. The view is kept when the page reloads the graph.
let view
let dragged
function showAll(svg) {
  const [width, height] = [Number(svg.dataset.width), Number(svg.dataset.height)]
  // Do not enlarge a small graph.
  const w = Math.max(width, svg.clientWidth / 1.2)
  const h = Math.max(height, svg.clientHeight / 1.2)
  view = { x: (width - w) / 2, y: (height - h) / 2, w, h }
}
// A graph that is too large to read as a whole opens at its first task.
function showFirst(svg) {
  showAll(svg)
  const scale = Math.min(svg.clientWidth / view.w, svg.clientHeight / view.h)
  if (scale >= LEAST_SCALE) return
  const [w, h] = [svg.clientWidth / START_SCALE, svg.clientHeight / START_SCALE]
  const first = svg.querySelector('.node .box')?.getBBox() ?? { y: 0, height: 0 }
  const lowest = Number(svg.dataset.height) - h
  const y = lowest < 0 ? lowest / 2 : Math.min(lowest, Math.max(0, first.y + (first.height - h) / 2))
  view = { x: Math.min(0, (Number(svg.dataset.width) - w) / 2), y, w, h }
}
const LEAST_SCALE = 0.45
const START_SCALE = 0.8
function show(svg) {
  svg.setAttribute('viewBox', `${view.x} ${view.y} ${view.w} ${view.h}`)
}
function zoom(svg, factor, at = { x: view.x + view.w / 2, y: view.y + view.h / 2 }) {
  const whole = Number(svg.dataset.width)
  const w = Math.min(whole * 4, Math.max(160, view.w / factor))
  const scale = w / view.w
  view = { x: at.x - (at.x - view.x) * scale, y: at.y - (at.y - view.y) * scale, w, h: view.h * scale }
  show(svg)
}
function pointOf(svg, event) {
  const matrix = svg.getScreenCTM()
  return matrix ? new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse()) : { x: 0, y: 0 }
}
// Marks the task and all tasks and edges that lead to it or follow it.
function trace(svg, node) {
  const marked = svg.querySelectorAll('.on-path')
  for (const one of marked) one.classList.remove('on-path')
  svg.classList.toggle('traced', node != null)
  if (node == null) return
  const edges = [...svg.querySelectorAll('.edge')]
  for (const [near, far] of [
    ['from', 'to'],
    ['to', 'from'],
  ]) {
    const seen = new Set([node.dataset.node])
    for (const at of seen)
      for (const edge of edges)
        if (edge.dataset[near] === at) {
          edge.classList.add('on-path')
          seen.add(edge.dataset[far])
        }
    for (const at of seen) svg.querySelector(`[data-node="${at}"]`)?.classList.add('on-path')
  }
}
function traceUnderPointer(event) {
  const svg = document.getElementById('graph')
  if (!svg || dragged?.moved) return
  const node = event.target.closest?.('.node') ?? svg.querySelector('.node:focus-visible')
  if (svg.traced === node && svg.classList.contains('traced') === (node != null)) return
  svg.traced = node
  trace(svg, node)
}
// Moves the view to a task that the keyboard has reached outside of it.
function reveal(svg, node) {
  if (!node.matches(':focus-visible')) return
  const { x, y, width, height } = node.getBBox()
  if (x >= view.x && y >= view.y && x + width <= view.x + view.w && y + height <= view.y + view.h) return
  view = { ...view, x: x + (width - view.w) / 2, y: y + (height - view.h) / 2 }
  show(svg)
}
function prepare() {
  const svg = document.getElementById('graph')
  if (!svg || svg.dataset.width) return
  svg.dataset.width = svg.getAttribute('width')
  svg.dataset.height = svg.getAttribute('height')
  document.querySelector('.graph-tools')?.removeAttribute('hidden')
  svg.closest('.graph-scroll').classList.add('moves')
  svg.setAttribute('width', '100%')
  // The style sheet limits the height to that of the screen.
  svg.setAttribute('height', Number(svg.dataset.height) * 1.2)
  if (view) show(svg)
  else {
    showFirst(svg)
    show(svg)
  }
  svg.addEventListener(
    'wheel',
    (event) => {
      // A plain wheel scrolls the page; with Ctrl, or two fingers, it zooms.
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      zoom(svg, Math.exp(-event.deltaY / 300), pointOf(svg, event))
    },
    { passive: false },
  )
  svg.addEventListener('pointerdown', (event) => {
    if (event.button === 0) dragged = { from: pointOf(svg, event), moved: false }
  })
  svg.addEventListener('pointermove', (event) => {
    if (!dragged || event.buttons === 0) return
    const to = pointOf(svg, event)
    if (!dragged.moved && Math.hypot(to.x - dragged.from.x, to.y - dragged.from.y) < 4) return
    if (!dragged.moved) svg.setPointerCapture(event.pointerId)
    dragged.moved = true
    view = { ...view, x: view.x - (to.x - dragged.from.x), y: view.y - (to.y - dragged.from.y) }
    show(svg)
  })
  // A drag that ends on a task does not open it.
  svg.addEventListener(
    'click',
    (event) => {
      if (dragged?.moved) event.preventDefault()
      dragged = undefined
    },
    true,
  )
  svg.addEventListener('dragstart', (event) => event.preventDefault())
}
document.addEventListener('click', (event) => {
  const factor = event.target.closest?.('[data-zoom]')?.dataset.zoom
  const svg = document.getElementById('graph')
  if (factor === undefined || !svg) return
  if (factor === '0') showAll(svg)
  else zoom(svg, Number(factor))
  show(svg)
})
document.addEventListener('pointerover', traceUnderPointer)
document.addEventListener('focusin', (event) => {
  const node = event.target.closest?.('.graph .node')
  if (node && view) reveal(node.closest('.graph'), node)
  traceUnderPointer(event)
})
document.addEventListener('focusout', traceUnderPointer)
document.addEventListener('DOMContentLoaded', prepare)
document.addEventListener('htmx:afterSwap', prepare)
