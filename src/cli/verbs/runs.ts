import { readWaiting } from '../../maintenance/stays-queued.ts'
import type { FollowedRun, LinkedRun } from '../../operations/list-runs.ts'
import { setNote } from '../../operations/note.ts'
import { findRun } from '../find-run.ts'
import { answer, instant, say, table, took, wrapped } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `runs show <dag> <run>`. */
export async function runsShow(dagId: string, runId: string, { output }: ListOptions): Promise<number> {
  const run = await withMetadata(async (metadata, setup) => {
    const found = await findRun(metadata, setup, dagId, runId)
    const waiting = await readWaiting(metadata, setup.loaded.dags, [found])
    const task_instances = found.task_instances.map((one) => ({ ...one, waiting_for: waiting(found, one.task_id) }))
    return { ...found, waiting_for: waiting(found), task_instances }
  })
  const rows = run.task_instances.map((task) => {
    const { task_id, state, try_number, start_date, waiting_for, reason } = task
    return [task_id, state, String(try_number), instant(start_date), took(task), waiting_for ?? reason ?? '']
  })
  const why = run.waiting_for ?? run.reason
  const note = run.note === null ? '' : `\nnote: ${run.note}`
  const named = (one: LinkedRun | FollowedRun) => `${one.dag_id} ${one.run_id} (${one.state})`
  const ofTask = ({ task_id }: FollowedRun) => (task_id === null ? '' : `${task_id} of `)
  const parent = run.parent === null ? '' : `\nstarted by ${run.parent.task_id} of ${named(run.parent)}`
  const children = run.children.map((one) => `\n${one.task_id} started ${named(one)}`).join('')
  const after = run.after.map((one) => `\nstarted after ${ofTask(one)}${named(one)}`).join('')
  const followers = run.followers.map((one) => `\nafter ${one.task_id ?? 'it'}, ${named(one)} started`).join('')
  const links = `${parent}${after}${children}${followers}`
  const head = `${run.dag_id}  ${run.run_id}  ${run.state}${why === null ? '' : `: ${why}`}${note}${links}`
  const columns = ['task_id', 'state', 'try', 'start', 'duration', 'reason']
  return answer(output, run, () => `${wrapped(head).join('\n')}\n${table(columns, rows, { spare: ['start'] })}`)
}

/** `runs note <dag> <run> [text]`. */
export async function runsNote(dagId: string, runId: string, text: string | undefined): Promise<number> {
  await withMetadata(async (metadata, setup) => {
    const run = await findRun(metadata, setup, dagId, runId)
    if (text === undefined) return say(run.note ?? `Run ${run.run_id} has no note`)
    await setNote(metadata, { dagId, runId: run.run_id }, text)
    say(`${text.trim() === '' ? 'Removed the note of' : 'Noted on'} ${run.run_id}`)
  })
  return 0
}
