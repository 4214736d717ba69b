import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Callbacks } from '../../src/callbacks/callbacks.ts'
import { emailFailures } from '../../src/callbacks/email.ts'
import type { NoticeCallbacks } from '../../src/callbacks/notices.ts'
import { slackFailures } from '../../src/callbacks/slack.ts'
import { dag } from '../../src/dag/dag.ts'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { startHttpServer } from '../support/http-server.ts'
import { openTestRunner, silent, testResources, uniqueId } from '../support/runner.ts'

const database = useDatabase()

/**
 * Runs a dag with these callbacks once for each ending, after one that is late. Returns what the callbacks logged and how
 * the runs ended.
 */
async function runs(
  callbacks: NoticeCallbacks,
  endings: ('good' | 'bad')[],
  settings: Record<string, unknown>,
  reason = 'no <!channel> & @all',
) {
  const left = [...endings]
  const defined = dag(uniqueId('told'), callbacks, ({ task }) => {
    task('load_data', {
      run: () => {
        if (left.shift() === 'bad') throw new Error(reason)
      },
    })
  })
  const warnings: string[] = []
  const none = () => {}
  const log = () => ({ debug: none, info: none, error: none, warn: (message: string) => void warnings.push(message) })
  const resources = { ...testResources(database), settingsOf: () => settings, log }
  const own = await openTestRunner(database, [defined], { resources })
  await aRun(own.metadata, { dagId: defined.id, state: 'queued' })
  const late = new Callbacks({ db: own.metadata, resources, log: silent })
  await late.callForLateRuns(new Map([[defined.id, defined]]), { jobId: 0, ownerless: true })
  await late.close()
  const states: string[] = []
  for (const _ of endings) states.push((await own.run(defined)).state)
  return { dagId: defined.id, states, warnings }
}

async function startWebhook(status = 200) {
  const messages: {
    text: string
    attachments: { text: string; fields: { title: string; value: string }[]; color: string }[]
  }[] = []
  const server = await startHttpServer(async (request, response) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    messages.push(JSON.parse(Buffer.concat(pieces).toString()))
    response.writeHead(status).end('ok')
  })
  onTestFinished(() => server.close())
  return { messages, url: `${server.origin}/services/T1/B2/s3cret-token` }
}

describe('slackFailures', () => {
  const CALLBACKS = slackFailures('SLACK_WEBHOOK_URL', { lateAfter: '30m' })

  test('posts late runs, failures with each failed task, and the next success; nobody is mentioned', async () => {
    const { messages, url } = await startWebhook()
    const { dagId, states, warnings } = await runs(CALLBACKS, ['bad', 'good', 'good'], { SLACK_WEBHOOK_URL: url })
    expect([states, warnings]).toEqual([['failed', 'success', 'success'], []])
    expect(messages.map(({ text }) => text)).toEqual([
      `${dagId} is late: queued after 1 h`,
      `${dagId} failed`,
      `${dagId} succeeds again`,
    ])
    expect(messages[1]?.attachments[0]?.fields).toEqual([
      { title: 'load_data · try 1', value: 'no &lt;!channel&gt; &amp; @\u200ball' },
    ])
  })

  test('a long reason is cut at a whole character', async () => {
    const { messages, url } = await startWebhook()
    await runs(CALLBACKS, ['bad'], { SLACK_WEBHOOK_URL: url }, `x${'\u{1f680}'.repeat(400)}`)
    const value = messages[1]?.attachments[0]?.fields[0]?.value
    expect(value).toMatch(/\u{1f680}…$/u)
    expect(value?.isWellFormed()).toBe(true)
  })

  test('a list of addresses gets each message; without an address nothing is sent', async () => {
    const [one, two] = [await startWebhook(), await startWebhook()]
    await runs(slackFailures('SLACK_WEBHOOK_URL'), ['bad'], { SLACK_WEBHOOK_URL: [one.url, two.url] })
    expect([one.messages.length, two.messages.length]).toEqual([1, 1])
    expect((await runs(CALLBACKS, ['bad'], {})).warnings).toEqual([])
  })

  test('an address that refuses or cannot be reached is a warning without the secret', async () => {
    const { url } = await startWebhook(404)
    const refused = await runs(slackFailures('HOOK'), ['bad'], { HOOK: url })
    expect(refused.warnings).toEqual(['The webhook of HOOK did not accept the message about this run: status 404'])
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    await new Promise((resolve) => closed.close(resolve))
    const silentServer = await startHttpServer((request) => request.socket.destroy())
    onTestFinished(() => silentServer.close())
    const cut = `${silentServer.origin}/services/s3cret-token`
    for (const HOOK of [cut, `http://127.0.0.1:${port}/services/s3cret-token`, 'ftp://s3cret-token', 's3cret-token']) {
      const { states, warnings } = await runs(slackFailures('HOOK'), ['bad'], { HOOK })
      expect([states, warnings.length]).toEqual([['failed'], 1])
      expect(warnings[0]).not.toContain('s3cret')
    }
  })
})

interface Mail {
  from: string
  to: string[]
  user: string
  text: string
}

/** A mail server on loopback; `user:pass word` may log in. */
async function startMail(host = '127.0.0.1') {
  const mails: Mail[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    onAuth: ({ username = '', password }, _session, done) =>
      password === 'pass word' ? done(null, { user: username }) : done(new Error('wrong password')),
    onData: async (stream, { envelope, user }, done) => {
      const pieces: Buffer[] = []
      for await (const piece of stream) pieces.push(piece as Buffer)
      const from = envelope.mailFrom ? envelope.mailFrom.address : ''
      const text = Buffer.concat(pieces).toString()
      mails.push({ from, to: envelope.rcptTo.map(({ address }) => address), user: String(user ?? ''), text })
      done()
    },
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return { mails, address: `${host}:${(server.server.address() as AddressInfo).port}` }
}

describe('emailFailures', () => {
  const OPTIONS = { server: 'SMTP_URL', from: 'tminus@example.org', to: ['ops@example.org', 'me@example.org'] }

  test('sends late runs, failures with each failed task, and the next success', async () => {
    const { mails, address } = await startMail()
    const callbacks = emailFailures({ ...OPTIONS, lateAfter: '30m' })
    const SMTP_URL = `smtp://user:pass%20word@${address}`
    const { dagId, states, warnings } = await runs(callbacks, ['bad', 'good', 'good'], { SMTP_URL })
    expect([states, warnings]).toEqual([['failed', 'success', 'success'], []])
    expect(mails.map(({ from, to, user }) => [from, to.join(), user])).toEqual(
      Array(3).fill(['tminus@example.org', 'ops@example.org,me@example.org', 'user']),
    )
    const subjects = mails.map(({ text }) => /^Subject: (.*)\r$/m.exec(text)?.[1])
    expect(subjects).toEqual([`${dagId} is late: queued after 1 h`, `${dagId} failed`, `${dagId} succeeds again`])
    expect(mails[1]?.text).toContain('no <!channel> & @all')
  })

  test('without a server nothing is sent; a wrong password is a warning, and the run is not affected', async () => {
    const { mails, address } = await startMail()
    expect(await runs(emailFailures(OPTIONS), ['bad'], {})).toMatchObject({ states: ['failed'], warnings: [] })
    const SMTP_URL = `smtp://user:s3cret@${address}`
    const { states, warnings } = await runs(emailFailures(OPTIONS), ['bad'], { SMTP_URL })
    expect(states).toEqual(['failed'])
    expect(warnings).toEqual([expect.stringContaining('The mail server of SMTP_URL did not accept the message')])
    expect([warnings.join().includes('s3cret'), mails]).toEqual([false, []])
  })

  test('a password is not sent to another host without TLS', async () => {
    const { mails, address } = await startMail('127.0.0.2')
    const SMTP_URL = `smtp://user:pass%20word@${address}`
    const { warnings } = await runs(emailFailures(OPTIONS), ['bad'], { SMTP_URL })
    expect([warnings, mails]).toEqual([[expect.stringContaining('TLS')], []])
  })
})
