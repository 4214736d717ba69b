/** The part of Discord's webhook message that T-minus knows (https://docs.discord.com/developers/resources/message). */
export interface WebhookMessage {
  content?: string | null | undefined
  username?: string | null | undefined
  avatar_url?: string | null | undefined
  embeds?: readonly WebhookEmbed[] | null | undefined
  components?: readonly WebhookRow[] | null | undefined
  allowed_mentions?: AllowedMentions | null | undefined
  flags?: number | undefined
}

export interface WebhookEmbed {
  title?: string | undefined
  url?: string | undefined
  description?: string | undefined
  /** Red, green, blue as one number: 0xRRGGBB. */
  color?: number | undefined
  /** ISO 8601; shown beside the footer. */
  timestamp?: string | undefined
  author?: { name: string; url?: string | undefined; icon_url?: string | undefined } | undefined
  fields?: readonly { name: string; value: string; inline?: boolean | undefined }[] | undefined
  image?: { url: string } | undefined
  thumbnail?: { url: string } | undefined
  footer?: { text: string; icon_url?: string | undefined } | undefined
}

/** An action row (type 1) of link buttons (type 2, style 5). */
export interface WebhookRow {
  type: number
  components: readonly {
    type: number
    style?: number | undefined
    label?: string | undefined
    url?: string | undefined
    emoji?: { name?: string | undefined; id?: string | undefined } | undefined
    disabled?: boolean | undefined
  }[]
}

export interface AllowedMentions {
  parse?: readonly string[] | undefined
  roles?: readonly string[] | undefined
  users?: readonly string[] | undefined
}
