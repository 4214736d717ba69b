/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Consequence } from '../../operations/consequence.ts'
import { taskNames } from '../../operations/task-names.ts'
import { StateMark } from '../parts.tsx'

/** The effects of marking a task. */
export function Consequences({
  id,
  consequence: { starts, waits, ends, run },
}: {
  id: string
  consequence: Consequence
}) {
  const ended = [...new Set(ends.map(({ state }) => state))]
  return (
    <ul class="follows" id={id}>
      {starts.length > 0 && <li>Starts {listed(starts)}</li>}
      {waits.length > 0 && <li>Decided again when their upstream tasks have ended: {listed(waits)}</li>}
      {ended.map((state) => (
        <li>
          <StateMark state={state} /> {listed(ends.filter((one) => one.state === state).map(({ taskId }) => taskId))}
        </li>
      ))}
      {starts.length + waits.length + ends.length === 0 && <li>No other task changes</li>}
      {run && (
        <li>
          The run ends as <StateMark state={run} />
        </li>
      )}
    </ul>
  )
}

const MOST_NAMED = 12

function listed(taskIds: readonly string[]) {
  const names = taskNames(taskIds)
  const more = names.length - MOST_NAMED
  return (
    <>
      <span class="id">{names.slice(0, MOST_NAMED).join(', ')}</span>
      {more > 0 && ` and ${more} more`}
    </>
  )
}
