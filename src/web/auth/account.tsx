/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { UsageError } from '../../errors.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { addressOf } from '../address.ts'
import { readForm } from '../form.ts'
import type { Site, WebContext, WebEnv } from '../site.ts'
import { type Account, AccountPage, OpenPage } from './account-page.tsx'
import { createCalendarToken, readCalendarToken, revokeCalendar } from './calendar-tokens.ts'
import { checkGuess } from './guess.ts'
import { tooManyTries } from './login.tsx'
import { checkPassword, isPassword } from './password.ts'
import { endSessionOf, endSessions, hashToken, listSessions } from './sessions.ts'
import { passwordGuess } from './throttle.ts'
import { readPasswordHash, setPassword } from './users.ts'
import { tokenOf } from './viewer.ts'

/** The signed-in user's own account: password, sessions, calendar address. */
export const accountPages = new Hono<WebEnv>()

accountPages.get('/account', async (c) => {
  const name = c.var.viewer.name
  return c.html(name === null ? <OpenPage c={c} /> : <AccountPage c={c} account={await readAccount(c, name)} />)
})

accountPages.post('/account', async (c) => {
  const { viewer, site } = c.var
  if (viewer.name === null) return c.redirect('/account', 303)
  const { name } = viewer
  const field = await readForm(c)
  try {
    const result = await change({ c, site, name }, field)
    site.log.info({ user: name, what: field('what') || 'password' }, 'an account was changed on the page')
    return c.html(<AccountPage c={c} account={{ ...(await readAccount(c, name)), ...result }} />)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const status = error instanceof TooManyGuesses ? 429 : 400
    return c.html(<AccountPage c={c} account={{ ...(await readAccount(c, name)), problem: error.message }} />, status)
  }
})

type Result = Pick<Account, 'done' | 'token'>
type Requester = { c: WebContext; site: Site; name: string }

async function change(requester: Requester, field: (key: string) => string): Promise<Result> {
  const { metadata } = requester.site
  switch (field('what')) {
    case '':
      return await changePassword(requester, field)
    case 'end':
      return await endOne(requester, field('session'))
    case 'end-others':
      return { done: endedMessage(await endSessions(metadata, requester.name, ownSession(requester.c))) }
    case 'make-calendar':
      return { token: await createCalendarToken(metadata, requester.name) }
    case 'withdraw-calendar':
      await revokeCalendar(metadata, requester.name)
      return { done: 'Revoked. That address no longer works.' }
    default:
      throw new UsageError(`Unknown action '${field('what').slice(0, 50)}'`)
  }
}

async function changePassword({ c, site, name }: Requester, field: (key: string) => string): Promise<Result> {
  const { metadata } = site
  const [before, after, again] = [field('before'), field('after'), field('again')]
  if (after !== again) throw new UsageError('The two new passwords differ')
  checkPassword(after)
  const address = addressOf(c)
  const client = { user: name, address }
  const guess = passwordGuess(name, address)
  const { wait, opened } = await checkGuess(metadata, guess, client, () => isOwnPassword(metadata, name, before))
  if (wait > 0) {
    site.log.warn(client, 'a password change was refused: too many failed tries')
    c.header('retry-after', String(wait))
    throw new TooManyGuesses(tooManyTries(wait))
  }
  if (!opened) {
    site.log.warn(client, 'a password change failed: the current password was wrong')
    throw new UsageError('The current password is wrong')
  }
  await setPassword(metadata, name, after, { keep: ownSession(c), client })
  return {
    done: 'Password changed. You are signed out everywhere else, and your calendar address, if any, is revoked.',
  }
}

class TooManyGuesses extends UsageError {}

/** True, or undefined for a wrong password, as `checkGuess` expects. */
async function isOwnPassword(db: Metadata, name: string, password: string): Promise<true | undefined> {
  return (await isPassword(password, await readPasswordHash(db, name))) || undefined
}

async function endOne({ site, name }: Requester, session: string): Promise<Result> {
  if (!(await endSessionOf(site.metadata, name, session)))
    throw new UsageError('This session does not exist, or has ended already')
  return { done: 'Session ended. That browser must sign in again.' }
}

function endedMessage(count: number): string {
  if (count === 0) return 'You have no other sessions.'
  return count === 1 ? 'Ended the other session.' : `Ended ${count} other sessions.`
}

function ownSession(c: WebContext): Buffer | null {
  const token = tokenOf(c)
  return token === undefined ? null : hashToken(token)
}

async function readAccount(c: WebContext, name: string): Promise<Account> {
  const { metadata } = c.var.site as Site
  const [sessions, calendar] = await Promise.all([
    listSessions(metadata, name, tokenOf(c)),
    readCalendarToken(metadata, name),
  ])
  return { name, role: c.var.viewer.role, sessions, calendar }
}
