/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Empty, hasRole, Notice, Page, StateMark, Table, Time } from 'tminus/web'
import { FORGOTTEN } from '../discord/card.ts'
import {
  CHANGES,
  type Change,
  canChange,
  effectOfForget,
  MAY_APPEAR_TWICE,
  titleOf,
} from '../discord/outbox-changes.ts'
import { type ListedMessage, stateWord, whatWords, whyWords } from '../discord/outbox-list.ts'
import { type DisabledTarget, disabledText } from '../discord/target.ts'
import { Head, type PageProps } from './page-head.tsx'
import { brief } from './words.ts'

interface OutboxProps extends PageProps {
  /** The disabled webhooks. */
  disabled: readonly DisabledTarget[]
  /** The name of the channel with this target. */
  nameOf: (target: string) => string
}

/** Messages to the channels and their states. An operator can send a message again or discard it. */
export function OutboxPage({
  c,
  base,
  messages,
  disabled,
  nameOf,
}: OutboxProps & { messages: readonly ListedMessage[] }) {
  const channels = new Set(messages.map(({ target }) => target)).size
  const columns = ['Id', 'State', 'What', 'Launch', ...(channels > 1 ? ['Channel'] : []), 'Since', 'Why']
  const operator = hasRole(c, 'operator')
  return (
    <Page c={c} title="Outbox">
      <Head title="Outbox" base={base}>
        Messages to Discord, latest first.
      </Head>
      <div class="stack">
        {disabled.map((one) => (
          <Notice kind="bad">{brief(`${nameOf(one.target)} has been ${disabledText(one)}`, 300)}</Notice>
        ))}
        {messages.length === 0 ? (
          <Empty title="No messages yet">The first run with a webhook posts the card of the next launch.</Empty>
        ) : (
          <Table name="Messages" columns={operator ? [...columns, { hidden: 'Change' }] : columns}>
            {messages.map((message) => (
              <tr>
                <th scope="row" class="number">
                  {message.outbox_id}
                </th>
                <td class="fold-end">
                  <StateMark state={lookOf(message)} word={stateWord(message)} />
                </td>
                <td class="nowrap" data-label="What">
                  {whatWords(message)}
                </td>
                <td data-label="Launch">
                  {message.kind === 'digest' ? (
                    brief(message.launch, 80)
                  ) : (
                    <a href={`${base}/launches/${encodeURIComponent(message.launch_id)}`}>
                      {brief(message.launch, 80)}
                    </a>
                  )}
                </td>
                {channels > 1 && <td data-label="Channel">{nameOf(message.target)}</td>}
                <td data-label="Since">
                  <Time at={message.updated_at} show="ago" />
                </td>
                <td class="reason" data-label="Why">
                  {brief(whyWords(message), 300)}
                </td>
                {operator && (
                  <td class="right">
                    <Changes base={base} message={message} disabled={disabled} />
                  </td>
                )}
              </tr>
            ))}
          </Table>
        )}
      </div>
    </Page>
  )
}

/** The state of a task that looks like the state of this message. */
function lookOf(message: ListedMessage): Parameters<typeof StateMark>[0]['state'] {
  const word = stateWord(message)
  if (word === 'dead' && isSettled(message)) return 'skipped'
  return LOOKS[word] ?? 'queued'
}

/** True for a message that the user discarded or that a newer one replaced. */
function isSettled({ reason }: ListedMessage): boolean {
  return reason === FORGOTTEN || reason === 'overtaken'
}

const LOOKS: Readonly<Record<string, Parameters<typeof StateMark>[0]['state']>> = {
  pending: 'queued',
  'to edit': 'queued',
  sending: 'running',
  sent: 'success',
  merged: 'skipped',
  unknown: 'up_for_retry',
  refused: 'failed',
  dead: 'failed',
}

const NAMES: Readonly<Record<Change, string>> = { resend: 'Resend', forget: 'Forget' }

function Changes({ base, message, disabled }: Pick<OutboxProps, 'base' | 'disabled'> & { message: ListedMessage }) {
  const offered = isSettled(message) ? (['resend'] as const) : CHANGES
  const possible = offered.filter((change) => canChange(message, change, isDisabled(message, disabled)))
  return (
    <div class="actions nowrap">
      {possible.map((change) => (
        <a
          class="button small"
          href={`${base}/outbox/${message.outbox_id}/${change}`}
          aria-label={`${NAMES[change]} message ${message.outbox_id}`}
        >
          {NAMES[change]}
        </a>
      ))}
    </div>
  )
}

function isDisabled({ target }: ListedMessage, disabled: readonly DisabledTarget[]): boolean {
  return disabled.some((one) => one.target === target)
}

interface ChangeProps extends OutboxProps {
  change: Change
  message: ListedMessage
  /** Why the message was not changed. */
  problem?: string | undefined
}

/** Says what the change does, and asks for it. */
export function ChangePage({ c, base, change, message, disabled, nameOf, problem }: ChangeProps) {
  const enables = isDisabled(message, disabled)
  const possible = canChange(message, change, enables)
  const title = brief(titleOf(message), 120)
  return (
    <Page c={c} title={`${NAMES[change]} message ${message.outbox_id}`}>
      <Head
        title={`${NAMES[change]} message ${message.outbox_id}`}
        base={base}
        within={{ title: 'Outbox', path: '/outbox' }}
      />
      <div class="narrow">
        {problem ? (
          <Notice kind="bad">{brief(problem, 300)}</Notice>
        ) : (
          <p>
            {change === 'resend'
              ? `The next run sends ${title} to ${nameOf(message.target)}.`
              : `${title.replace(/^t/, 'T')} ${effectOfForget(message)}.`}
            {change === 'forget' && message.message_id !== null && ' It is not edited again.'}
            {change === 'resend' && enables && ` ${nameOf(message.target)} is disabled; this enables it again.`}
            {change === 'resend' && message.state === 'unknown' && ` ${MAY_APPEAR_TWICE}.`}
          </p>
        )}
        <p>
          It is <StateMark state={lookOf(message)} word={stateWord(message)} /> now
          {whyWords(message) && `: ${brief(whyWords(message), 300)}`}
        </p>
        <form method="post">
          <p class="actions decide">
            <button type="submit" class={change === 'forget' ? 'danger' : 'main'} disabled={!possible}>
              {`${NAMES[change]} the message`}
            </button>
            <a class="button" href={`${base}/outbox`}>
              Cancel
            </a>
          </p>
        </form>
      </div>
    </Page>
  )
}
