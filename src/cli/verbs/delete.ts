import { UsageError } from '../../errors.ts'
import { deleteDag, deleteRun } from '../../operations/delete.ts'
import { countRuns } from '../../operations/run-counts.ts'
import { confirm } from '../confirm.ts'
import { findDag } from '../find-dag.ts'
import { findRun } from '../find-run.ts'
import { say } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'

/** `dags delete <dag>`. Returns 1 if the user says no. */
export async function dagsDelete(dagId: string, { yes = false }: { yes?: boolean }): Promise<number> {
  return await withMetadata(
    async (metadata, { loaded }) => {
      const runs = await countRuns(metadata, dagId)
      if (runs === undefined) {
        findDag(loaded, dagId)
        throw new UsageError(`The database has no record of dag '${dagId}', so there is nothing to delete`)
      }
      const what = `This deletes dag '${dagId}' with ${runs} ${runs === 1 ? 'run' : 'runs'}, all logs and outputs, and its schedule`
      if (!(await confirm(what, yes))) return 1
      const deleted = await deleteDag(metadata, dagId)
      say(`Deleted dag '${dagId}' and ${deleted.runs} of its runs`)
      if (deleted.isLoaded || loaded.dags.has(dagId))
        say('Its code is still there, so it stays in the list and its schedule starts anew; remove its folder too')
      return 0
    },
    { slow: true },
  )
}

/** `runs delete <dag> <run>`. Returns 1 if the user says no. */
export async function runsDelete(dagId: string, runId: string, { yes = false }: { yes?: boolean }): Promise<number> {
  return await withMetadata(async (metadata, setup) => {
    const { run_id } = await findRun(metadata, setup, dagId, runId)
    if (!(await confirm(`This deletes run ${run_id} of '${dagId}' with its logs and outputs`, yes))) return 1
    await deleteRun(metadata, { dagId, runId: run_id })
    say(`Deleted ${run_id}`)
    return 0
  })
}
