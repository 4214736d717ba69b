/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { Hono } from 'hono'
import { commandFor } from '../../command-for.ts'
import { UsageError } from '../../errors.ts'
import { addressOf } from '../address.ts'
import { type Form, readForm } from '../form.ts'
import { Page } from '../layout.tsx'
import { Empty, Notice, Table, Time } from '../parts.tsx'
import { requireRole } from '../rights.ts'
import { ROLES, type Role, type Site, type WebContext, type WebEnv } from '../site.ts'
import { PasswordField } from './account-page.tsx'
import type { Client } from './turns.ts'
import { createUser, deleteUser, listUsers, setRole, signOutEverywhere, type UserRow } from './users.ts'

/** All users, for admins. */
export const userPages = new Hono<WebEnv>()

userPages.use('/users/*', requireRole('admin'))
userPages.use('/users', requireRole('admin'))

userPages.get('/users', async (c) => c.html(<UsersPage c={c} users={await listUsers(c.var.site.metadata)} />))

userPages.post('/users', async (c) => {
  const { site, viewer } = c.var
  const field = await readForm(c)
  try {
    if (viewer.name === null)
      throw new UsageError(`Create the first user on the command line: ${commandFor('users create NAME --role admin')}`)
    await change(site, field, { user: viewer.name, address: addressOf(c) })
    const what = field('what') || 'create'
    site.log.info({ user: viewer.name, changed_user: field('name').trim(), what }, 'a user was changed on the page')
    return c.redirect('/users', 303)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return c.html(<UsersPage c={c} users={await listUsers(site.metadata)} problem={error.message} />, 400)
  }
})

async function change({ metadata }: Site, field: Form, client: Client): Promise<void> {
  const name = field('name').trim()
  const role: Role = ROLES.find((one) => one === field('role')) ?? 'viewer'
  switch (field('what')) {
    case '':
      return await createUser(metadata, name, role, field('password'), client)
    case 'role':
      return await setRole(metadata, name, role)
    case 'sign-out':
      return await signOutEverywhere(metadata, name)
    case 'delete':
      return await deleteUser(metadata, name)
    default:
      throw new UsageError(`Unknown action '${field('what').slice(0, 50)}'`)
  }
}

const MOST_LISTED = 200

function UsersPage({ c, users, problem }: { c: WebContext; users: readonly UserRow[]; problem?: string }) {
  return (
    <Page c={c} title="Users">
      <div class="stack">
        <h1>Users</h1>
        {problem && <Notice kind="bad">{problem}</Notice>}
        {users.length > 0 ? (
          <UserTable users={users.slice(0, MOST_LISTED)} />
        ) : (
          <Empty title="No users yet">
            Create the first one on the command line: <code>{commandFor('users create NAME --role admin')}</code>
          </Empty>
        )}
        {users.length > MOST_LISTED && (
          <p class="sub">
            {users.length - MOST_LISTED} more: <code>{commandFor('users list')}</code>
          </p>
        )}
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
            Create user
          </button>
        </form>
      </div>
    </Page>
  )
}

function UserTable({ users }: { users: readonly UserRow[] }) {
  return (
    <Table name="Users" columns={['Name', 'Role', 'Created', 'Last seen', 'Access', { hidden: 'Actions' }]}>
      {users.map((user) => (
        <UserLine user={user} />
      ))}
    </Table>
  )
}

function UserLine({ user }: { user: UserRow }) {
  const { user_name, role, created_at, seen_at, sessions, calendar } = user
  return (
    <tr>
      <th scope="row">{user_name}</th>
      <td data-label="Role">
        <form method="post" action="/users" class="actions nowrap">
          <input type="hidden" name="name" value={user_name} />
          <RoleSelect chosen={role} label={`Role of ${user_name}`} />
          <button type="submit" name="what" value="role" class="small" aria-label={`Save the role of ${user_name}`}>
            Save
          </button>
        </form>
      </td>
      <td data-label="Created">
        <Time at={created_at} show="date" />
      </td>
      <td data-label="Last seen">
        <Time at={seen_at} show="ago" />
      </td>
      <td data-label="Access">{accessOf(user)}</td>
      <td class="right">
        <div class="actions end">
          {(sessions > 0 || calendar) && (
            <form method="post" action="/users">
              <input type="hidden" name="name" value={user_name} />
              <button
                type="submit"
                name="what"
                value="sign-out"
                class="small"
                aria-label={`Sign out ${user_name} everywhere`}
              >
                Sign out
              </button>
            </form>
          )}
          <Delete name={user_name} />
        </div>
      </td>
    </tr>
  )
}

/** The user's open sessions and calendar address, which grant access without the password. */
function accessOf({ sessions, calendar }: UserRow): string {
  const browsers = sessions === 1 ? '1 session' : `${sessions} sessions`
  return [...(sessions > 0 ? [browsers] : []), ...(calendar ? ['calendar'] : [])].join(', ') || '–'
}

/** Asks for a second click, because a deletion cannot be undone. */
function Delete({ name }: { name: string }) {
  return (
    <details class="sure">
      <summary class="button small danger" aria-label={`Delete ${name}…`}>
        Delete
      </summary>
      <form method="post" action="/users">
        <input type="hidden" name="name" value={name} />
        <button type="submit" name="what" value="delete" class="small danger">
          Delete {name}
        </button>
      </form>
    </details>
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
