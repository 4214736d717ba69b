/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { RunRow } from '../../operations/list-runs.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import { Duration, durationOf, Id, StateMark, Table, Time } from '../parts.tsx'
import { paths } from '../paths.ts'
import { RunName } from '../run-name.tsx'

interface RunTableProps {
  runs: readonly RunRow[]
  /** Why a queued run waits. */
  waiting: (run: RunRow) => string | null
  scrub: (text: string) => string
  /** The runs of all dags: a column names the dag, and the body is live with this mark of `dags/all`. */
  allDags?: { mark: string }
}

/** A list of runs. In a live list, links have ids, so that they keep the focus. */
export function RunTable({ runs, waiting, scrub, allDags }: RunTableProps) {
  const columns = ['State', 'Run', ...(allDags ? ['Dag'] : []), 'Start', { number: 'Duration' }, 'Reason']
  const live = allDags && { key: 'dags/all', mark: allDags.mark }
  return (
    <Table name="Runs" columns={columns} brief live={live}>
      {runs.map((run) => (
        <tr>
          <td class="fold-end">
            <StateMark state={run.state} />
          </td>
          <th scope="row">
            <a id={live && `run-${run.id}`} href={paths.run(run.dag_id, run.run_id)}>
              <RunName run={run} />
            </a>
          </th>
          {allDags && (
            <td data-label="Dag">
              <a class="quiet-link" id={`dag-of-${run.id}`} href={paths.dag(run.dag_id)}>
                <Id id={run.dag_id} />
              </a>
            </td>
          )}
          <td data-label="Start">
            <Time at={run.start_date} show="ago" />
          </td>
          <td class="right" data-label="Duration">
            <Duration ms={durationOf(run.start_date, run.end_date)} />
          </td>
          <td class="reason">{beginning(waiting(run) ?? run.reason ?? '', SHOWN.listed, scrub)}</td>
        </tr>
      ))}
    </Table>
  )
}
