/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Empty, Page, Table, Time } from 'tminus/web'
import { Head, type PageProps } from './page-head.tsx'
import type { RejectedLaunch } from './query.ts'
import { brief } from './words.ts'

/** Launches that could not be parsed. */
export function RejectsPage({ c, base, rejects }: PageProps & { rejects: readonly RejectedLaunch[] }) {
  return (
    <Page c={c} title="Rejects">
      <Head title="Rejects" base={base}>
        Launches that could not be parsed. They are stored as received in <code>rocket_launch_rejects</code> and removed
        when they can be parsed again.
      </Head>
      {rejects.length === 0 ? (
        <Empty title="No rejected launches">Every launch was parsed.</Empty>
      ) : (
        <Table name="Rejects" columns={['Launch', 'What is wrong', 'How often', 'First', 'Last']}>
          {rejects.map(({ key, name, issues, count, first_seen, last_seen }) => (
            <tr>
              <th scope="row">
                {name && <div>{brief(name, 120)}</div>}
                <span class={name ? 'sub mono' : 'mono'}>{brief(key, 60)}</span>
              </th>
              <td class="reason">{brief(issues, 300)}</td>
              <td class="right number" data-label="How often">
                {count}
              </td>
              <td data-label="First">
                <Time at={first_seen} show="ago" />
              </td>
              <td data-label="Last">
                <Time at={last_seen} show="ago" />
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Page>
  )
}
