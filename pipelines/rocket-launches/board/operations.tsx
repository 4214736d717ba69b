/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from 'tminus'
import { type Child, Empty, Page, Table, Time, type WebContext } from 'tminus/web'
import { type ListedMessage, stateWord, whatWords, whyWords } from '../discord/outbox-list.ts'
import type { RejectedLaunch } from './query.ts'
import { brief } from './words.ts'

interface PageProps {
  c: WebContext
  base: string
}

interface OutboxProps extends PageProps {
  messages: readonly ListedMessage[]
  /** The name of the channel with this target. */
  nameOf: (target: string) => string
}

/** Messages to the channels and their states. */
export function OutboxPage({ c, base, messages, nameOf }: OutboxProps) {
  return (
    <Page c={c} title="Outbox">
      <Head title="Outbox" base={base}>
        Messages to Discord, latest first. <code>{commandFor('discord resend ID')}</code> sends one again,{' '}
        <code>discord forget ID</code> discards it.
      </Head>
      {messages.length === 0 ? (
        <Empty title="No messages yet">The first run with a webhook posts the card of the next launch.</Empty>
      ) : (
        <Table name="Messages" columns={['Id', 'State', 'What', 'Launch', 'Channel', 'Since', 'Why']}>
          {messages.map((message) => (
            <tr>
              <th scope="row" class="number">
                {message.outbox_id}
              </th>
              <td class="fold-end">{stateWord(message)}</td>
              <td data-label="What">{whatWords(message)}</td>
              <td data-label="Launch">
                {message.kind === 'digest' ? (
                  brief(message.launch, 80)
                ) : (
                  <a href={`${base}/launches/${encodeURIComponent(message.launch_id)}`}>{brief(message.launch, 80)}</a>
                )}
              </td>
              <td data-label="Channel">{nameOf(message.target)}</td>
              <td data-label="Since">
                <Time at={message.updated_at} show="ago" />
              </td>
              <td class="reason" data-label="Why">
                {brief(whyWords(message), 300)}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Page>
  )
}

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
          {rejects.map(({ key, issues, count, first_seen, last_seen }) => (
            <tr>
              <th scope="row">{brief(key, 60)}</th>
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

function Head({ title, base, children }: { title: string; base: string; children?: Child }) {
  return (
    <div class="head">
      <div>
        <p class="crumbs">
          <a href={base === '' ? '/' : base}>Board</a>
        </p>
        <h1>{title}</h1>
        <p>{children}</p>
      </div>
    </div>
  )
}
