export { type Clock, type Span, spansOf } from './discord-preview/markdown.ts'
export { type RenderOptions, renderMessage } from './discord-preview/render-message.ts'
export type { AllowedMentions, WebhookEmbed, WebhookMessage, WebhookRow } from './discord-preview/webhook-message.ts'
