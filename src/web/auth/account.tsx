/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { UsageError } from '../../errors.ts'
import { atLeast } from '../find.ts'
import { Page } from '../layout.tsx'
import { Notice, Scroll, Time } from '../parts.tsx'
import { ROLES, type Role, type WebContext, type WebEnv } from '../site.ts'
import { isPassword } from './password.ts'
import { hashToken } from './sessions.ts'
import { createUser, deleteUser, listUsers, setPassword, setRole, type UserRow } from './users.ts'
import { tokenOf } from './who.ts'

/** One's own password, and for admins everybody. */
export const accountPages = new Hono<WebEnv>()

accountPages.get('/account', (c) => c.html(<AccountPage c={c} />))

accountPages.post('/account', async (c) => {
  const { metadata } = c.var.site
  const { name } = c.var.viewer
  const form = await c.req.parseBody()
  const [before, after, again] = [form.before, form.after, form.again].map((field) => String(field ?? ''))
  if (name === null) return c.redirect('/account', 303)
  const { rows } = await metadata.query('select password_hash from metadata.web_user where user_name = $1', [name])
  try {
    if (after !== again) throw new UsageError('The new passwords are not the same')
    if (!(await isPassword(before ?? '', rows[0]?.password_hash))) throw new UsageError('The password so far is wrong')
    const token = tokenOf(c)
    await setPassword(metadata, name, after ?? '', token === undefined ? null : hashToken(token))
    return c.html(<AccountPage c={c} done="Changed. Everywhere else you are signed out." />)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return c.html(<AccountPage c={c} problem={error.message} />, 400)
  }
})

function AccountPage({ c, done, problem }: { c: WebContext; done?: string; problem?: string }) {
  const { name, role } = c.var.viewer
  return (
    <Page c={c} title="Account">
      <div class="narrow stack">
        <h1>{name ?? 'Nobody needs to sign in'}</h1>
        {name === null ? (
          <p>
            There are no users, so whoever sits at this machine may do everything. <code>users create</code> on the
            command line changes that.
          </p>
        ) : (
          <form method="post" class="card">
            <h2>Change your password</h2>
            <p class="sub">You are {role}.</p>
            {done && <Notice kind="good">{done}</Notice>}
            {problem && <Notice kind="bad">{problem}</Notice>}
            <PasswordField id="before" name="Password so far" complete="current-password" />
            <PasswordField id="after" name="New password" complete="new-password" />
            <PasswordField id="again" name="New password, again" complete="new-password" />
            <button type="submit" class="main">
              Change it
            </button>
          </form>
        )}
      </div>
    </Page>
  )
}

function PasswordField({ id, name, complete }: { id: string; name: string; complete: string }) {
  return (
    <div class="field">
      <label for={id}>{name}</label>
      <input id={id} name={id} type="password" autocomplete={complete} required />
    </div>
  )
}

accountPages.use('/users/*', atLeast('admin'))
accountPages.use('/users', atLeast('admin'))

accountPages.get('/users', async (c) => c.html(<UsersPage c={c} users={await listUsers(c.var.site.metadata)} />))

accountPages.post('/users', async (c) => {
  const { site, viewer } = c.var
  const form = await c.req.parseBody()
  const [name, password, what] = [form.name, form.password, form.what].map((field) => String(field ?? ''))
  const role: Role = ROLES.find((one) => one === form.role) ?? 'viewer'
  try {
    if (viewer.name === null)
      throw new UsageError('Make the first user on the command line: users create NAME --role admin')
    if (what === 'delete') await deleteUser(site.metadata, name ?? '')
    else if (what === 'role') await setRole(site.metadata, name ?? '', role)
    else await createUser(site.metadata, (name ?? '').trim(), role, password ?? '')
    site.log.info({ user: viewer.name, who: name, what: what || 'create', role }, 'a user was changed on the page')
    return c.redirect('/users', 303)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return c.html(<UsersPage c={c} users={await listUsers(site.metadata)} problem={error.message} />, 400)
  }
})

function UsersPage({ c, users, problem }: { c: WebContext; users: readonly UserRow[]; problem?: string }) {
  return (
    <Page c={c} title="Users">
      <div class="stack">
        <h1>Users</h1>
        {problem && <Notice kind="bad">{problem}</Notice>}
        <Scroll name="Users">
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Role</th>
                <th>Since</th>
                <th>Seen</th>
                <th>
                  <span class="hidden">What to do</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {users.map((user) => (
                <UserLine user={user} />
              ))}
            </tbody>
          </table>
        </Scroll>
        <form method="post" class="card narrow">
          <h2>New user</h2>
          <div class="field">
            <label for="name">Name</label>
            <input id="name" name="name" required maxlength={100} autocomplete="off" />
          </div>
          <div class="field">
            <label for="role">Role</label>
            <RoleSelect id="role" chosen="viewer" />
          </div>
          <PasswordField id="password" name="Password" complete="new-password" />
          <button type="submit" class="main">
            Make the user
          </button>
        </form>
      </div>
    </Page>
  )
}

function UserLine({ user: { user_name, role, created_at, seen_at } }: { user: UserRow }) {
  return (
    <tr>
      <th scope="row">{user_name}</th>
      <td>
        <form method="post" class="actions nowrap">
          <input type="hidden" name="name" value={user_name} />
          <RoleSelect chosen={role} label={`Role of ${user_name}`} />
          <button type="submit" name="what" value="role" class="small" aria-label={`Set the role of ${user_name}`}>
            Set
          </button>
        </form>
      </td>
      <td>
        <Time at={created_at} show="date" />
      </td>
      <td>
        <Time at={seen_at} show="ago" />
      </td>
      <td class="right">
        <form method="post">
          <input type="hidden" name="name" value={user_name} />
          <button type="submit" name="what" value="delete" class="small danger" aria-label={`Delete ${user_name}`}>
            Delete
          </button>
        </form>
      </td>
    </tr>
  )
}

function RoleSelect({ chosen, id, label }: { chosen: Role; id?: string; label?: string }) {
  return (
    <select name="role" id={id} aria-label={label}>
      {ROLES.map((one) => (
        <option value={one} selected={one === chosen}>
          {one}
        </option>
      ))}
    </select>
  )
}
