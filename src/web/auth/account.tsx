/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { UsageError } from '../../errors.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { addressOf } from '../address.ts'
import { readForm } from '../form.ts'
import type { Site, WebContext, WebEnv } from '../site.ts'
import { type Account, AccountPage, OpenPage } from './account-page.tsx'
import { makeCalendarToken, readCalendarToken, withdrawCalendar } from './calendar-tokens.ts'
import { judgeGuess } from './guess.ts'
import { tooSoon } from './login.tsx'
import { checkPassword, isPassword } from './password.ts'
import { endSessionOf, endSessions, hashToken, listSessions } from './sessions.ts'
import { passwordTry } from './throttle.ts'
import { setPassword } from './users.ts'
import { tokenOf } from './who.ts'

/** What a user does about himself: password, sessions, calendar address. */
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
    const told = await change({ c, site, name }, field)
    site.log.info({ user: name, what: field('what') || 'password' }, 'an account was changed on the page')
    return c.html(<AccountPage c={c} account={{ ...(await readAccount(c, name)), ...told }} />)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const status = error instanceof TooManyGuesses ? 429 : 400
    return c.html(<AccountPage c={c} account={{ ...(await readAccount(c, name)), problem: error.message }} />, status)
  }
})

type Told = Pick<Account, 'done' | 'token'>
type Asker = { c: WebContext; site: Site; name: string }

async function change(asker: Asker, field: (key: string) => string): Promise<Told> {
  const { metadata } = asker.site
  switch (field('what')) {
    case '':
      return await changePassword(asker, field)
    case 'end':
      return await endOne(asker, field('session'))
    case 'end-others':
      return { done: saidEnded(await endSessions(metadata, asker.name, ownSession(asker.c))) }
    case 'make-calendar':
      return { token: await makeCalendarToken(metadata, asker.name) }
    case 'withdraw-calendar':
      await withdrawCalendar(metadata, asker.name)
      return { done: 'Withdrawn: no calendar is answered at that address any more.' }
    default:
      throw new UsageError('Nothing of that name is done here')
  }
}

async function changePassword({ c, site, name }: Asker, field: (key: string) => string): Promise<Told> {
  const { metadata } = site
  const [before, after, again] = [field('before'), field('after'), field('again')]
  if (after !== again) throw new UsageError('The new passwords are not the same')
  checkPassword(after)
  const address = addressOf(c)
  const asker = { user: name, address }
  const guess = passwordTry(name, address)
  const { wait, opened } = await judgeGuess(metadata, guess, asker, () => isOwnPassword(metadata, name, before))
  if (wait > 0) {
    site.log.warn(asker, 'a change of password came too soon after others that failed')
    c.header('retry-after', String(wait))
    throw new TooManyGuesses(tooSoon(wait))
  }
  if (!opened) {
    site.log.warn(asker, 'a change of password failed: the current one was wrong')
    throw new UsageError('The current password is wrong')
  }
  await setPassword(metadata, name, after, { keep: ownSession(c), asker })
  return { done: 'Changed. Everywhere else you are signed out, and your calendar address, if any, is withdrawn.' }
}

class TooManyGuesses extends UsageError {}

/** True or undefined, as a guess is judged. */
async function isOwnPassword(db: Metadata, name: string, password: string): Promise<true | undefined> {
  const { rows } = await db.query('select password_hash from metadata.web_user where user_name = $1', [name])
  return (await isPassword(password, rows[0]?.password_hash)) || undefined
}

async function endOne({ site, name }: Asker, session: string): Promise<Told> {
  if (!(await endSessionOf(site.metadata, name, session))) throw new UsageError('You have no such session (any more)')
  return { done: 'Ended: that browser has to sign in again.' }
}

function saidEnded(count: number): string {
  if (count === 0) return 'You are signed in nowhere else.'
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
