import { readFileSync, statSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'smol-toml'
import { fromEnvironment } from 'tminus'
import type { Webhook } from 'tminus/connectors/discord'
import { z } from 'zod'
import { type ChannelSettings, discordSettings } from './settings.ts'

/** The keys of an entry. Each has the syntax and the meaning of its variable. */
export const KEYS: Readonly<Record<keyof typeof discordSettings, string>> = {
  DISCORD_WEBHOOK_URL: 'webhook',
  DISCORD_FILTER_PROVIDERS: 'providers',
  DISCORD_FILTER_LOCATIONS: 'locations',
  DISCORD_FILTER_ORBITS: 'orbits',
  DISCORD_FILTER_KEYWORDS: 'keywords',
  DISCORD_VOLUME: 'volume',
  DISCORD_NOTICES: 'notices',
  DISCORD_REMINDERS: 'reminders',
  DISCORD_DIGEST: 'digest',
  DISCORD_ROLE_ID: 'role',
  DISCORD_FORUM_TAGS: 'tags',
  DISCORD_LANGUAGE: 'language',
  DISCORD_USERNAME: 'username',
  DISCORD_AVATAR: 'avatar',
}

/** An entry of the channels file. */
export interface FileChannel {
  name: string
  webhook: Webhook
  /** Where the address of the webhook is: a variable, or the file. */
  webhookSetting: string
  settings: ChannelSettings
}

type Environment = Readonly<Record<string, string | undefined>>

/** DISCORD_CHANNELS_FILE: the path of a TOML file with one `[[channel]]` for each channel. Parsed to its entries. */
export const channelsFile = fromEnvironment(
  z
    .custom<Environment>((env) => typeof env === 'object')
    .transform((env, context): FileChannel[] => {
      const { channels, problems } = readChannels(env.DISCORD_CHANNELS_FILE ?? '', env)
      for (const message of problems) context.addIssue({ code: 'custom', message })
      return channels
    }),
).optional()

interface Found {
  channels: FileChannel[]
  /** Each continues a sentence that begins with DISCORD_CHANNELS_FILE. None repeats a value, which may be a token. */
  problems: string[]
}

function readChannels(path: string, env: Environment): Found {
  const problems = variablesSet(env).map(
    (name) => `and ${name} are both set; the file describes all channels, so unset ${name}`,
  )
  const entries = readEntries(path)
  if (typeof entries === 'string') return { channels: [], problems: [...problems, entries] }
  const read = entries.map((entry, index) => readEntry(entry, index, env))
  const channels = read.flatMap((one) => ('channel' in one ? [one.channel] : []))
  const wrong = read.flatMap((one) => ('problems' in one ? one.problems : []))
  return { channels, problems: [...problems, ...wrong, ...duplicates(channels)] }
}

/** The variables whose values the entries would override. A default value is as good as none. */
function variablesSet(env: Environment): string[] {
  return Object.entries(discordSettings).flatMap(([name, schema]) => {
    const [set, byDefault] = [schema.safeParse(env[name]), schema.safeParse(undefined)]
    return env[name] === undefined || isDeepStrictEqual(set, byDefault) ? [] : name
  })
}

const MOST_BYTES = 1024 * 1024

/** The `[[channel]]` entries, or what is wrong with the file. */
function readEntries(path: string): unknown[] | string {
  const text = readText(path)
  if (typeof text !== 'string')
    return `names a file that cannot be read (${text.why}); a relative path starts at the current folder`
  try {
    const { channel: entries, ...rest } = parse(text)
    if (Object.keys(rest).length > 0) return 'names a file with text outside of its [[channel]] entries'
    return Array.isArray(entries) && entries.length > 0 ? entries : 'names a file without a [[channel]] entry'
  } catch (error) {
    // After the first line, the message repeats lines of the file.
    const [why = ''] = (error as Error).message.split('\n')
    const { line, column } = error as { line?: number; column?: number }
    return `names a file with a mistake in line ${line}, column ${column}: ${why.replace(/^Invalid TOML document: /, '')}`
  }
}

function readText(path: string): string | { why: string } {
  try {
    const found = statSync(path)
    if (!found.isFile()) return { why: 'it is not a file' }
    return found.size > MOST_BYTES ? { why: 'it is larger than 1 MB' } : readFileSync(path, 'utf8')
  } catch (error) {
    return { why: String((error as NodeJS.ErrnoException).code) }
  }
}

/** A text in the syntax of the variable, or a list of texts. */
const Text = z.union([z.string(), z.array(z.string()).transform((texts) => texts.map(quoted).join())], {
  error: 'must be a text or a list of texts',
})

/** A term that contains a comma or a double quote is enclosed in double quotes, see `parseTerms`. */
function quoted(text: string): string {
  const [, minus = '', term = ''] = /^(-?)(.*)$/s.exec(text) ?? []
  return /[,"]/.test(term) ? `${minus}"${term.replaceAll('"', '""')}"` : text
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._-]{0,39}$/u
const VARIABLE = /^[A-Za-z_]\w{0,49}$/
const Entry = z.strictObject(
  {
    name: z
      .string('is not set')
      .regex(NAME, 'must have at most 40 letters, digits, spaces, dots, - and _, and start with a letter or digit'),
    webhook_variable: z
      .string('must be a text')
      .regex(VARIABLE, 'must be the name of an environment variable')
      .optional(),
    ...Object.fromEntries(Object.values(KEYS).map((key) => [key, Text.optional()])),
  },
  { error: ({ code }) => (code === 'invalid_type' ? 'must be a table' : undefined) },
)

type Read = { channel: FileChannel } | { problems: string[] }

/** Reads one entry: as if its values were the environment of a process with one channel. */
function readEntry(entry: unknown, index: number, env: Environment): Read {
  const label = nameOf(entry) ?? index + 1
  const read = parseEntry(entry, env)
  return 'channel' in read
    ? read
    : { problems: read.problems.map((one) => `has a mistake in channel ${label}: ${one}`) }
}

function nameOf(entry: unknown): string | undefined {
  const { name } = Object(entry) as { name?: unknown }
  return typeof name === 'string' && NAME.test(name) ? `'${name}'` : undefined
}

function parseEntry(entry: unknown, env: Environment): Read {
  const shape = Entry.safeParse(entry)
  const shapeProblems = (shape.error?.issues ?? []).flatMap((issue) => issueTexts(issue, 'webhook'))
  if (!isTable(entry)) return { problems: shapeProblems }
  const { setting, address, problem } = addressOf(entry, env)
  const texts = Object.entries(KEYS).map(([variable, key]) => [variable, Text.safeParse(entry[key]).data || undefined])
  const read = z.object(discordSettings).safeParse({ ...Object.fromEntries(texts), DISCORD_WEBHOOK_URL: address })
  const [webhook, ...more] = read.data?.DISCORD_WEBHOOK_URL ?? []
  const problems = [
    ...shapeProblems,
    ...(problem === undefined ? [] : [problem]),
    ...(read.error?.issues ?? []).flatMap((issue) => issueTexts(issue, setting)),
    ...(more.length > 0 ? [`${setting} must be one address; add an entry for each channel`] : []),
  ]
  if (problems.length > 0 || !shape.success || !read.success || webhook === undefined) return { problems }
  const webhookSetting = setting === 'webhook' ? 'webhook in DISCORD_CHANNELS_FILE' : setting
  return { channel: { name: shape.data.name, webhook, webhookSetting, settings: read.data } }
}

function isTable(entry: unknown): entry is Readonly<Record<string, unknown>> {
  return typeof entry === 'object' && entry !== null && !Array.isArray(entry)
}

/** The address of the webhook, and the setting that has it. No address and no problem: `Entry` reports the problem. */
function addressOf(
  { webhook, webhook_variable: variable }: Readonly<Record<string, unknown>>,
  env: Environment,
): { setting: string; address?: string | undefined; problem?: string } {
  const setting = 'webhook'
  if (variable === undefined && webhook === undefined) return { setting, problem: 'webhook is not set' }
  if (variable === undefined) return { setting, address: Text.safeParse(webhook).data }
  if (webhook !== undefined) return { setting, problem: 'webhook and webhook_variable are both set; remove one' }
  if (typeof variable !== 'string' || !VARIABLE.test(variable)) return { setting }
  const address = env[variable]
  return address === undefined
    ? { setting, problem: `the variable ${variable} is not set` }
    : { setting: variable, address }
}

/** @param webhook the name of the setting that has the address of the webhook */
function issueTexts(issue: z.core.$ZodIssue, webhook: string): string[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const unknown = /^\w{1,30}$/.test(key) ? `the key ${key}` : 'a key'
      return `${unknown} is not known; the keys are ${Object.keys(Entry.shape).join(', ')}`
    })
  const key = String(issue.path[0] ?? 'the entry')
  const shown = key === 'DISCORD_WEBHOOK_URL' ? webhook : (KEYS[key as keyof typeof KEYS] ?? key)
  return [`${shown} ${issue.message}`]
}

/** Two entries with one name, or with one webhook and thread. */
function duplicates(channels: readonly FileChannel[]): string[] {
  return channels.flatMap(({ name, webhook }, index) => {
    const before = channels.slice(0, index)
    const same = before.find((one) => one.webhook.target === webhook.target)
    if (before.some((one) => one.name === name)) return `names two channels '${name}'; give each its own name`
    return same
      ? `has one webhook in the channels '${same.name}' and '${name}'; list each webhook (and thread) once`
      : []
  })
}
