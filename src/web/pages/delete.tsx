/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { deleteRun } from '../../operations/delete.ts'
import { countRuns } from '../../operations/run-counts.ts'
import { findDag, findRun } from '../find.ts'
import { Page } from '../layout.tsx'
import { paths } from '../paths.ts'
import { requireRole } from '../rights.ts'
import { deleteDagOn, keyOf, logChange } from '../run-changes.ts'
import type { WebEnv } from '../site.ts'
import { Decide, OperatePage } from './operate-parts.tsx'
import { number } from './pick.tsx'

/** The deletion of a run, and of a dag's whole record. Each page first says what will be deleted. */
export const deletePages = new Hono<WebEnv>()

const RUN = '/dags/:dag/runs/:run/delete'
deletePages.use(RUN, requireRole('operator'))

deletePages.get(RUN, async (c) => {
  const { run, instances } = await findRun(c)
  const tasks = `${number(instances.length)} task${instances.length === 1 ? '' : 's'}`
  return c.html(
    <OperatePage c={c} run={run} title="Delete this run">
      <p>
        This deletes the run with its {tasks}, their tries, logs and outputs. It cannot be undone. A scheduled run does
        not run again.
      </p>
      <form method="post">
        <Decide run={run} danger>
          Delete the run
        </Decide>
      </form>
    </OperatePage>,
  )
})

deletePages.post(RUN, async (c) => {
  const { run } = await findRun(c)
  await deleteRun(c.var.site.metadata, keyOf(run))
  logChange(c, run, 'deleted on the page', [])
  return c.redirect(paths.dag(run.dag_id), 303)
})

const DAG = '/dags/:dag/delete'
deletePages.use(DAG, requireRole('admin'))

deletePages.get(DAG, async (c) => {
  const { dagId, dag } = await findDag(c)
  const runs = (await countRuns(c.var.site.metadata, dagId)) ?? 0
  return c.html(
    <Page c={c} title={`Delete ${dagId}`}>
      <p class="crumbs">
        <a href="/dags">Pipelines</a> / <a href={paths.dag(dagId)}>{dagId}</a>
      </p>
      <div class="narrow">
        <h1>Delete this dag's record</h1>
        <p>
          This deletes {number(runs)} {runs === 1 ? 'run' : 'runs'} of {dagId} with all logs and outputs, its backfills
          and its schedule. It cannot be undone.
        </p>
        {dag && <p>The code of the dag is still there, so the dag stays in the list, and its schedule starts anew.</p>}
        <form method="post">
          <p class="actions decide">
            <button type="submit" class="danger">
              Delete the record
            </button>
            <a class="button" href={paths.dag(dagId, 'details')}>
              Cancel
            </a>
          </p>
        </form>
      </div>
    </Page>,
  )
})

deletePages.post(DAG, async (c) => {
  const { dagId } = await findDag(c)
  await deleteDagOn(c, dagId, 'deleted on the page')
  return c.redirect('/dags', 303)
})
