import type { Transporter } from 'nodemailer'
import { messageOf, TminusError, UsageError } from '../errors.ts'
import { type Notice, type NoticeCallbacks, type NoticeOptions, noticesBy } from './notices.ts'

export interface EmailOptions extends NoticeOptions {
  /**
   * The dag's setting that contains the address of the mail server: `smtp://user:password@host:587`, or `smtps://…` for
   * TLS from the start. If it is unset, nothing is sent.
   */
  server: string
  from: string
  to: string | readonly string[]
}

/** Shorter than the time limit of a callback. */
const TIMEOUT_MS = 20_000

/**
 * As `discordFailures`, by e-mail. Spread the callbacks into a dag's options:
 * `...emailFailures({ server: 'SMTP_URL', from: 'tminus@example.org', to: 'ops@example.org' })`. Needs the package
 * `nodemailer`.
 */
export function emailFailures({ server, from, to, ...options }: EmailOptions): NoticeCallbacks {
  return noticesBy(async (notice, { settings, signal, log }) => {
    const address = settings[server]
    if (address === undefined) return
    const transport = await openTransport(String(address), server)
    const close = () => transport.close()
    signal.addEventListener('abort', close, { once: true })
    try {
      await transport.sendMail({ from, to: [...[to].flat()], subject: notice.title, text: textOf(notice) })
    } catch (error) {
      log.warn(`The mail server of ${server} did not accept the message about this run: ${messageOf(error)}`)
    } finally {
      signal.removeEventListener('abort', close)
      close()
    }
  }, options)
}

async function openTransport(address: string, setting: string): Promise<Transporter> {
  const nodemailer = await import('nodemailer').catch((cause) => {
    throw new TminusError("sending e-mail needs the package 'nodemailer', which is not installed; install it", {
      code: 'nodemailer_missing',
      cause,
    })
  })
  const url = URL.canParse(address) ? new URL(address) : undefined
  // The address may contain a password, so the message does not repeat it.
  if (url === undefined || !/^smtps?:$/.test(url.protocol))
    throw new UsageError(`${setting} is not the address of a mail server: it looks like smtp://user:password@host:587`)
  const isSecure = url.protocol === 'smtps:'
  const auth = { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
  return nodemailer.createTransport({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (isSecure ? 465 : 587),
    secure: isSecure,
    // A password is never sent without TLS, except to this machine.
    requireTLS: !isSecure && auth.user !== '' && !LOOPBACK.has(url.hostname),
    ...(auth.user !== '' && { auth }),
    ...{ connectionTimeout: TIMEOUT_MS, greetingTimeout: TIMEOUT_MS, socketTimeout: TIMEOUT_MS },
    ...{ disableFileAccess: true, disableUrlAccess: true },
  })
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

function textOf({ title, runId, tasks, more }: Notice): string {
  const listed = tasks.map(
    ({ name, reason }) => `${name}\n    ${(reason || 'no reason given').replaceAll('\n', '\n    ')}`,
  )
  const rest = more > 0 ? [`and ${more} more`] : []
  return `${[title, `run ${runId}`, ...listed, ...rest].join('\n\n')}\n`
}
