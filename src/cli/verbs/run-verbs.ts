import type { Command } from 'commander'
import { DAG_RUN_STATES, RUN_TYPES } from '../../dag/state.ts'
import { addVerb } from '../add-verb.ts'
import { outputOption } from '../output-option.ts'

type Done = (exitCode: number) => void

const DAG = ['<dag>', 'id of the dag'] as const
const RUN = ['<run>', "run_id, or 'latest'"] as const
const TASK = ['<task>', 'id of the task'] as const

export function addDags(program: Command, done: Done): void {
  const dags = program.command('dags').description('list dags, and run, pause or test one')
  addVerb(dags, 'list', 'list the dags, and the folders that could not be loaded')
    .addOption(outputOption())
    .action(async (options) => done(await (await import('./dags.ts')).dagsList(options)))
  addVerb(dags, 'show', 'show a dag: its settings, and its tasks as a tree', 'rocket-launches')
    .argument(...DAG)
    .option('--mermaid', 'print a Mermaid diagram, for a README or an issue')
    .addOption(outputOption())
    .action(async (dagId, options) => done(await (await import('./dags-show.ts')).dagsShow(dagId, options)))
  addVerb(dags, 'trigger', 'queue a run; a running process executes it', 'rocket-launches --wait')
    .argument(...DAG)
    .option('--conf <json>', 'params of the run, as a JSON object')
    .option('--logical-date <instant>', 'logical date of the run, e.g. 2026-01-31T12:00:00Z (default: now)')
    .option('--run-id <id>', 'id of the run; if the dag already has a run of this id, no run is queued (exit code 1)')
    .option('--wait', 'wait for the end of the run; exit code 1 if it failed')
    .action(async (dagId, options) => done(await (await import('./dags-trigger.ts')).dagsTrigger(dagId, options)))
  for (const [verb, description] of [
    ['pause', 'stop the scheduled runs of a dag; manual runs still work'],
    ['unpause', 'resume the schedule of a dag, from the next tick on'],
  ] as const) {
    addVerb(dags, verb, description, 'rocket-launches')
      .argument(...DAG)
      .action(async (dagId) => done(await (await import('./dags-schedule.ts')).dagsPause(dagId, verb === 'pause')))
  }
  addVerb(dags, 'next', 'show when the dags run next', 'rocket-launches')
    .argument('[dag]', 'show several ticks of this dag only')
    .addOption(outputOption())
    .option('--limit <n>', 'number of ticks of each dag')
    .action(async (dagId, options) => done(await (await import('./dags-schedule.ts')).dagsNext(dagId, options)))
  addBackfill(dags, done)
  addVerb(dags, 'runs', 'list the newest runs of a dag', 'rocket-launches')
    .argument(...DAG)
    .addOption(outputOption())
    .option('--limit <n>', 'number of runs', '25')
    .action(async (dagId, options) => done(await (await import('./dags.ts')).dagsRuns(dagId, options)))
  addVerb(dags, 'delete', 'delete the record of a dag: its runs, logs and schedule', 'old-dag --yes')
    .argument(...DAG)
    .option('--yes', 'do not ask')
    .action(async (dagId, options) => done(await (await import('./delete.ts')).dagsDelete(dagId, options)))
  addVerb(dags, 'test', 'run a dag once and delete the record of the run', 'rocket-launches')
    .argument(...DAG)
    .option('--conf <json>', 'params of the run, as a JSON object')
    .action(async (dagId, options) => done(await (await import('./dags-test.ts')).dagsTest(dagId, options)))
}

function addBackfill(dags: Command, done: Done): void {
  addVerb(
    dags,
    'backfill',
    'run the ticks of a past period',
    'rocket-launches --from 2026-01-31 --to 2026-01-31T01:00:00Z --dry-run',
  )
    .argument(...DAG)
    .requiredOption('--from <instant>', 'the first tick, e.g. 2026-01-01 or 2026-01-01T12:00:00Z')
    .requiredOption('--to <instant>', 'the last tick')
    .option('--dry-run', 'print what would run, and run nothing')
    .option('--max-active-runs <n>', 'runs at once; never more than the dag allows')
    .addOption(
      dags
        .createOption('--reprocess <which>', 'also run ticks again that already have a run')
        .choices(['none', 'failed', 'completed'])
        .default('none'),
    )
    .action(async (dagId, options) => done(await (await import('./dags-backfill.ts')).dagsBackfill(dagId, options)))
}

export function addRuns(program: Command, done: Done): void {
  const runs = program.command('runs').description('list runs; show, clear, cancel or delete them')
  addFilter(addVerb(runs, 'list', 'list the runs of all dags, newest first', '--state failed --since 2026-01-31'))
    .addOption(outputOption())
    .option('--limit <n>', 'number of runs', '25')
    .option('--before <n>', 'the next page: the number that the previous page ended with')
    .action(async (options) => done(await (await import('./runs-list.ts')).runsList(options)))
  addVerb(runs, 'show', 'show a run and its task instances', 'rocket-launches latest')
    .argument(...DAG)
    .argument(...RUN)
    .addOption(outputOption())
    .action(async (dagId, runId, options) => done(await (await import('./runs.ts')).runsShow(dagId, runId, options)))
  addFilter(
    addVerb(runs, 'clear', 'run tasks of runs again; earlier tries are kept', 'rocket-launches latest --only-failed')
      .argument('[dag]', 'id of the dag')
      .argument('[run]', "run_id, or 'latest'; without it, --dag and a filter choose the ended runs"),
  )
    .option('--task <task...>', 'only these tasks')
    .option('--downstream', 'also every task downstream of them')
    .option('--only-failed', 'only those that failed or could not run')
    .option('--with-current-graph', 'give the run the tasks of the current code, for example after a task was renamed')
    .option('--dry-run', 'print what would be cleared, and clear nothing')
    .option('--yes', 'clear several runs without a question')
    .action(async (dagId, runId, options) =>
      done(await (await import('./operate.ts')).runsClear(dagId, runId, options)),
    )
  addVerb(runs, 'cancel', 'cancel a run: its running tasks are stopped and fail', 'rocket-launches latest')
    .argument(...DAG)
    .argument(...RUN)
    .action(async (dagId, runId) => done(await (await import('./operate.ts')).runsCancel(dagId, runId)))
  addVerb(runs, 'note', 'print or set the note on a run', "rocket-launches latest 'the source was down'")
    .argument(...DAG)
    .argument(...RUN)
    .argument('[text]', 'the new note; an empty one removes it')
    .action(async (dagId, runId, text) => done(await (await import('./runs.ts')).runsNote(dagId, runId, text)))
  addVerb(
    runs,
    'delete',
    'delete a run with its logs and outputs',
    'rocket-launches manual__2026-01-31T12:00:00.000Z_1f2e3d4c',
  )
    .argument(...DAG)
    .argument(...RUN)
    .option('--yes', 'do not ask')
    .action(async (dagId, runId, options) =>
      done(await (await import('./delete.ts')).runsDelete(dagId, runId, options)),
    )
}

function addFilter(verb: Command): Command {
  return verb
    .option('--dag <dag>', 'runs of this dag')
    .option('--state <state>', `runs in this state: ${DAG_RUN_STATES.join(', ')}`)
    .option('--type <type>', `runs of this type: ${RUN_TYPES.join(', ')}`)
    .option('--since <instant>', 'runs whose logical date is this or later, e.g. 2026-01-31')
    .option('--until <instant>', 'runs whose logical date is this or earlier')
}

export function addTasks(program: Command, done: Done): void {
  const tasks = program.command('tasks').description('list the tasks of a dag; show or change those of a run')
  addVerb(tasks, 'list', 'list the tasks of a dag, in the order in which they can run', 'rocket-launches')
    .argument(...DAG)
    .addOption(outputOption())
    .action(async (dagId, options) => done(await (await import('./dags-show.ts')).tasksList(dagId, options)))
  addVerb(tasks, 'logs', 'print the log of a task', 'rocket-launches latest fetch_and_store_data')
    .argument(...DAG)
    .argument(...RUN)
    .argument(...TASK)
    .option('--try <n>', 'only this try')
    .option('--follow', 'print new log lines too, until the task has ended')
    .action(async (dagId, runId, taskId, options) =>
      done(await (await import('./tasks.ts')).tasksLogs(dagId, runId, taskId, options)),
    )
  addVerb(
    tasks,
    'clear',
    'run tasks of a run again, and those that could not run because of them; same as "runs clear --task"',
    'rocket-launches latest notify_discord',
  )
    .argument(...DAG)
    .argument(...RUN)
    .argument('<task...>', 'ids of the tasks')
    .option('--downstream', 'also every task downstream of them')
    .option('--only-failed', 'only those that failed or could not run')
    .option('--dry-run', 'print what would be cleared, and clear nothing')
    .action(async (dagId, runId, task, options) =>
      done(await (await import('./operate.ts')).tasksClear(dagId, runId, { ...options, task })),
    )
  addVerb(tasks, 'mark', 'set the state of a task without running it', 'rocket-launches latest notify_discord skipped')
    .argument(...DAG)
    .argument(...RUN)
    .argument(...TASK)
    .argument('<state>', 'success, failed or skipped')
    .option('--value <json>', 'output of the task, if it declares one')
    .action(async (dagId, runId, taskId, state, options) =>
      done(await (await import('./operate.ts')).tasksMark(dagId, runId, taskId, state, options)),
    )
}
