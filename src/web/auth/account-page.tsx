/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from '../../command-for.ts'
import { Page, Title } from '../layout.tsx'
import { Notice, Table, Time } from '../parts.tsx'
import { isHttps } from '../security.ts'
import type { Role, Site, WebContext } from '../site.ts'
import type { CalendarToken } from './calendar-tokens.ts'
import type { SessionRow } from './sessions.ts'

/** The data of a user's account page. */
export interface Account {
  name: string
  role: Role
  sessions: readonly SessionRow[]
  calendar: CalendarToken | undefined
  /** The result of the last action, or why it failed. */
  done?: string
  problem?: string
  /** The token of a calendar address that was just created; shown only once. */
  token?: string
}

/** The account page of a site without users. */
export function OpenPage({ c }: { c: WebContext }) {
  return (
    <Page c={c} title="Account">
      <div class="narrow">
        <h1>No sign-in is required</h1>
        <p>
          There are no users, so anyone on this machine has all rights. Create a user to change that:{' '}
          <code>{commandFor('users create NAME --role admin')}</code>
        </p>
      </div>
    </Page>
  )
}

export function AccountPage({ c, account }: { c: WebContext; account: Account }) {
  const { name, role, done, problem } = account
  return (
    <Page c={c} title="Account">
      <div class="narrow stack account">
        <Title text={name}>Signed in as {role}</Title>
        {done && <Notice kind="good">{done}</Notice>}
        {problem && <Notice kind="bad">{problem}</Notice>}
        <Sessions sessions={account.sessions} />
        {(c.var.site as Site).calendars.length > 0 && <Calendar c={c} account={account} />}
        <Password name={name} />
      </div>
    </Page>
  )
}

const MOST_LISTED = 50

function Sessions({ sessions }: { sessions: readonly SessionRow[] }) {
  const others = sessions.filter(({ own }) => !own).length
  return (
    <section aria-labelledby="sessions">
      <div class="head tight">
        <h2 id="sessions">Where you are signed in</h2>
        {others > 0 && (
          <form method="post" action="/account">
            <button type="submit" name="what" value="end-others" class="danger">
              End all other sessions
            </button>
          </form>
        )}
      </div>
      <Table name="Sessions" columns={['Browser', 'From', 'Started', 'Last used', { hidden: 'Actions' }]}>
        {sessions.slice(0, MOST_LISTED).map((session) => (
          <SessionLine session={session} />
        ))}
      </Table>
      {sessions.length > MOST_LISTED && <p class="sub below">And {sessions.length - MOST_LISTED} more.</p>}
      <p class="sub below">
        A session ends after 3 days without use, and after 30 days at the latest. It stores the network of the browser,
        not its address.
      </p>
    </section>
  )
}

function SessionLine({ session }: { session: SessionRow }) {
  const { session_id, browser, network, created_at, seen_at, own } = session
  return (
    <tr>
      <th scope="row">{browser ?? 'Not recorded'}</th>
      <td data-label="From">{network ?? <span class="nothing">–</span>}</td>
      <td data-label="Started">
        <Time at={created_at} show="ago" />
      </td>
      <td data-label="Last used">
        <Time at={seen_at} show="ago" />
      </td>
      <td class="fold-end">
        {own ? (
          <strong class="own">this browser</strong>
        ) : (
          <form method="post" action="/account">
            <input type="hidden" name="session" value={String(session_id)} />
            <button type="submit" name="what" value="end" class="small danger" aria-describedby={`s${session_id}`}>
              End session
            </button>
            <span id={`s${session_id}`} class="hidden">
              {browser ?? 'a browser'} from {network ?? 'an unknown network'}, started <Time at={created_at} />
            </span>
          </form>
        )}
      </td>
    </tr>
  )
}

function Calendar({ c, account: { calendar, token } }: { c: WebContext; account: Account }) {
  return (
    <form method="post" action="/account" class="card" id="calendar">
      <h2>Calendar address</h2>
      <p>
        Calendar programs cannot sign in, so they use this address. Anyone who has it can read the calendar and nothing
        else on this site.
      </p>
      {token === undefined ? (
        <p class="sub">{calendar ? <Created calendar={calendar} /> : 'You have no calendar address.'}</p>
      ) : (
        <NewAddress c={c} token={token} />
      )}
      <div class="actions decide">
        <button type="submit" name="what" value="make-calendar" class={calendar ? '' : 'main'}>
          {calendar ? 'Replace the address' : 'Create a calendar address'}
        </button>
        {calendar && (
          <button type="submit" name="what" value="withdraw-calendar" class="danger">
            Revoke the address
          </button>
        )}
      </div>
      {calendar && <p class="sub below">A new address replaces this one, which then stops working.</p>}
    </form>
  )
}

function Created({ calendar: { created_at, used_at } }: { calendar: CalendarToken }) {
  return (
    <>
      Created <Time at={created_at} show="ago" />,{' '}
      {used_at === null ? (
        'not used yet'
      ) : (
        <>
          last used <Time at={used_at} show="ago" />
        </>
      )}
      . It cannot be shown again: only its hash is stored.
    </>
  )
}

function NewAddress({ c, token }: { c: WebContext; token: string }) {
  const { calendars } = c.var.site as Site
  const origin = `${isHttps(c) ? 'https' : 'http'}://${new URL(c.req.url).host}`
  return (
    <>
      <Notice kind="good">Created. Copy it now: it will not be shown again.</Notice>
      {calendars.map(({ path }, index) => (
        <div class="field wide">
          <label for={`address-${index}`}>{calendars.length > 1 ? `Subscribe to ${path}` : 'Subscribe to'}</label>
          <textarea id={`address-${index}`} readonly rows={3} spellcheck={false}>
            {`${origin}${path}?token=${token}`}
          </textarea>
        </div>
      ))}
    </>
  )
}

function Password({ name }: { name: string }) {
  return (
    <form method="post" action="/account" class="card">
      <h2>Change your password</h2>
      {/* Password managers read the user's name from this field. */}
      <input type="text" name="username" value={name} autocomplete="username" hidden readonly />
      <p class="sub">This signs you out everywhere else and revokes your calendar address.</p>
      <PasswordField id="before" name="Current password" complete="current-password" />
      <PasswordField id="after" name="New password" complete="new-password" />
      <PasswordField id="again" name="Repeat the new password" complete="new-password" />
      <button type="submit" class="main">
        Change password
      </button>
    </form>
  )
}

export function PasswordField({ id, name, complete }: { id: string; name: string; complete: string }) {
  return (
    <div class="field">
      <label for={id}>{name}</label>
      <input id={id} name={id} type="password" autocomplete={complete} required />
    </div>
  )
}
