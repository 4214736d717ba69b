export { type Clock, type Span, spansOf } from './discord-preview/markdown.ts'
export { type RenderOptions, renderMessage } from './discord-preview/render-message.ts'
