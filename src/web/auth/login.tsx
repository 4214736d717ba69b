/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { Hono } from 'hono'
import { commandFor } from '../../command-for.ts'
import { humanDuration } from '../../duration.ts'
import { addressOf } from '../address.ts'
import { readForm } from '../form.ts'
import { Page } from '../layout.tsx'
import { Notice } from '../parts.tsx'
import { ownPath } from '../security.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { checkGuess } from './guess.ts'
import { isPassword } from './password.ts'
import { browserOf, networkOf } from './seen-from.ts'
import { endSession, newToken, startSession } from './sessions.ts'
import { loginGuess } from './throttle.ts'
import { hasUsers, readPasswordHash } from './users.ts'
import { deleteTokenCookie, setTokenCookie, tokenOf } from './viewer.ts'

export const loginPages = new Hono<WebEnv>()

loginPages.get('/login', async (c) => {
  if (c.var.viewer) return c.redirect('/')
  const open = !(await hasUsers(c.var.site.metadata))
  return c.html(<LoginPage c={c} name="" next={c.req.query('next') ?? ''} {...(open && { problem: NO_USERS })} />)
})

const NO_USERS = `There are no users any more. Create one: ${commandFor('users create NAME --role admin')}`

loginPages.post('/login', async (c) => {
  const { site } = c.var
  const field = await readForm(c)
  const [account, secret, after] = [field('name').trim(), field('password'), field('next')]
  const address = addressOf(c)
  const guess = loginGuess(account, address)
  const { wait, opened } = await checkGuess(site.metadata, guess, { address }, () => signIn(c, account, secret))
  const client = { user: account.slice(0, 100), address }
  if (wait > 0) {
    site.log.warn(client, 'a login was refused: too many failed tries')
    c.header('retry-after', String(wait))
    return c.html(<LoginPage c={c} name={account} next={after} problem={tooManyTries(wait)} />, 429)
  }
  if (opened === undefined) {
    site.log.warn(client, 'a login failed')
    return c.html(<LoginPage c={c} name={account} next={after} problem="Name or password is wrong." />, 401)
  }
  setTokenCookie(c, opened)
  site.log.info(client, 'signed in')
  return c.redirect(ownPath(after, '/'), 303)
})

export function tooManyTries(seconds: number): string {
  return `Too many tries. Wait ${humanDuration(seconds * 1_000)}, then try again.`
}

/** Returns the token of a new session; undefined for a wrong password. */
async function signIn(c: WebContext, name: string, password: string): Promise<string | undefined> {
  const passwordHash = await readPasswordHash(c.var.site.metadata, name)
  if (!(await isPassword(password, passwordHash)) || passwordHash === undefined) return undefined
  const token = newToken()
  const [network, browser] = [networkOf(addressOf(c)), browserOf(c.req.header('user-agent'))]
  const session = { name, passwordHash, token, replaces: tokenOf(c), network, browser }
  return (await startSession(c.var.site.metadata, session)) ? token : undefined
}

function LoginPage({ c, name, next, problem }: { c: WebContext; name: string; next: string; problem?: string }) {
  return (
    <Page c={c} title="Sign in">
      <form class="card login" method="post" action="/login">
        <h1>Sign in</h1>
        {problem && <Notice kind="bad">{problem}</Notice>}
        <input type="hidden" name="next" value={next} />
        <div class="field">
          <label for="name">Name</label>
          <input id="name" name="name" autocomplete="username" required value={name} maxlength={100} />
        </div>
        <div class="field">
          <label for="password">Password</label>
          <input id="password" name="password" type="password" autocomplete="current-password" required />
        </div>
        <button type="submit" class="main">
          Sign in
        </button>
      </form>
    </Page>
  )
}

loginPages.post('/logout', async (c) => {
  const token = tokenOf(c)
  if (token !== undefined) await endSession(c.var.site.metadata, token)
  deleteTokenCookie(c)
  return c.redirect('/login', 303)
})
