import type { Command } from 'commander'
import { example } from '../example.ts'
import { outputOption } from '../output-option.ts'

type Done = (exitCode: number) => void

const DAG = ['<dag>', 'id of the dag'] as const
const RUN = ['<run>', "run_id, or 'latest'"] as const
const TASK = ['<task>', 'id of the task'] as const

export function addDags(program: Command, done: Done): void {
  const dags = program.command('dags').description('list dags, and run, pause or test one')
  dags
    .command('list')
    .description('list the dags, and the folders that could not be loaded')
    .addOption(outputOption())
    .addHelpText('after', example('dags list'))
    .action(async (options) => done(await (await import('./dags.ts')).dagsList(options)))
  dags
    .command('show')
    .description('show a dag: its settings, and its tasks as a tree')
    .argument(...DAG)
    .option('--mermaid', 'print a Mermaid diagram, for a README or an issue')
    .addOption(outputOption())
    .addHelpText('after', example('dags show rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags-show.ts')).dagsShow(dagId, options)))
  dags
    .command('trigger')
    .description('queue a run; a running process executes it')
    .argument(...DAG)
    .option('--conf <json>', 'params of the run, as a JSON object')
    .option('--logical-date <instant>', 'logical date of the run, e.g. 2026-01-31T12:00:00Z (default: now)')
    .option('--wait', 'wait for the end of the run; exit code 1 if it failed')
    .addHelpText('after', example('dags trigger rocket-launches --wait'))
    .action(async (dagId, options) => done(await (await import('./dags-trigger.ts')).dagsTrigger(dagId, options)))
  for (const [verb, description] of [
    ['pause', 'stop the scheduled runs of a dag; you can still run it by hand'],
    ['unpause', 'resume the schedule of a dag, from the next tick on'],
  ] as const) {
    dags
      .command(verb)
      .description(description)
      .argument(...DAG)
      .addHelpText('after', example(`dags ${verb} rocket-launches`))
      .action(async (dagId) => done(await (await import('./dags-schedule.ts')).dagsPause(dagId, verb === 'pause')))
  }
  dags
    .command('next')
    .description('show when the dags run next')
    .argument('[dag]', 'show several ticks of this dag only')
    .addOption(outputOption())
    .option('--limit <n>', 'number of ticks of each dag')
    .addHelpText('after', example('dags next rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags-schedule.ts')).dagsNext(dagId, options)))
  addBackfill(dags, done)
  dags
    .command('runs')
    .description('list the newest runs of a dag')
    .argument(...DAG)
    .addOption(outputOption())
    .option('--limit <n>', 'number of runs', '25')
    .addHelpText('after', example('dags runs rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags.ts')).dagsRuns(dagId, options)))
  dags
    .command('test')
    .description('run a dag once and delete the record of the run')
    .argument(...DAG)
    .option('--conf <json>', 'params of the run, as a JSON object')
    .addHelpText('after', example('dags test rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags-test.ts')).dagsTest(dagId, options)))
}

function addBackfill(dags: Command, done: Done): void {
  dags
    .command('backfill')
    .description('run the ticks of a past period')
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
    .addHelpText(
      'after',
      example('dags backfill rocket-launches --from 2026-01-31 --to 2026-01-31T01:00:00Z --dry-run'),
    )
    .action(async (dagId, options) => done(await (await import('./dags-backfill.ts')).dagsBackfill(dagId, options)))
}

export function addRuns(program: Command, done: Done): void {
  const runs = program.command('runs').description('show, clear or cancel one run ("dags runs" lists them)')
  runs
    .command('show')
    .description('show a run and its task instances')
    .argument(...DAG)
    .argument(...RUN)
    .addOption(outputOption())
    .addHelpText('after', example('runs show rocket-launches latest'))
    .action(async (dagId, runId, options) => done(await (await import('./runs.ts')).runsShow(dagId, runId, options)))
  runs
    .command('clear')
    .description('run tasks of a run again; earlier tries are kept')
    .argument(...DAG)
    .argument(...RUN)
    .option('--task <task...>', 'only these tasks')
    .option('--downstream', 'also every task downstream of them')
    .option('--only-failed', 'only those that failed or could not run')
    .option('--dry-run', 'print what would be cleared, and clear nothing')
    .addHelpText('after', example('runs clear rocket-launches latest --only-failed'))
    .action(async (dagId, runId, options) =>
      done(await (await import('./operate.ts')).runsClear(dagId, runId, options)),
    )
  runs
    .command('cancel')
    .description('cancel a run: its running tasks are stopped and fail')
    .argument(...DAG)
    .argument(...RUN)
    .addHelpText('after', example('runs cancel rocket-launches latest'))
    .action(async (dagId, runId) => done(await (await import('./operate.ts')).runsCancel(dagId, runId)))
}

export function addTasks(program: Command, done: Done): void {
  const tasks = program.command('tasks').description('list the tasks of a dag; show or change those of a run')
  tasks
    .command('list')
    .description('list the tasks of a dag, in the order in which they can run')
    .argument(...DAG)
    .addOption(outputOption())
    .addHelpText('after', example('tasks list rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags-show.ts')).tasksList(dagId, options)))
  tasks
    .command('logs')
    .description('print the log of a task')
    .argument(...DAG)
    .argument(...RUN)
    .argument(...TASK)
    .option('--try <n>', 'only this try')
    .option('--follow', 'print new log lines too, until the task has ended')
    .addHelpText('after', example('tasks logs rocket-launches latest fetch_and_store_data'))
    .action(async (dagId, runId, taskId, options) =>
      done(await (await import('./tasks.ts')).tasksLogs(dagId, runId, taskId, options)),
    )
  tasks
    .command('clear')
    .description('run tasks of a run again, and those that could not run because of them; same as "runs clear --task"')
    .argument(...DAG)
    .argument(...RUN)
    .argument('<task...>', 'ids of the tasks')
    .option('--downstream', 'also every task downstream of them')
    .option('--only-failed', 'only those that failed or could not run')
    .option('--dry-run', 'print what would be cleared, and clear nothing')
    .addHelpText('after', example('tasks clear rocket-launches latest notify_discord'))
    .action(async (dagId, runId, task, options) =>
      done(await (await import('./operate.ts')).runsClear(dagId, runId, { ...options, task })),
    )
  tasks
    .command('mark')
    .description('set the state of a task without running it')
    .argument(...DAG)
    .argument(...RUN)
    .argument(...TASK)
    .argument('<state>', 'success, failed or skipped')
    .option('--value <json>', 'output of the task, if it declares one')
    .addHelpText('after', example('tasks mark rocket-launches latest notify_discord skipped'))
    .action(async (dagId, runId, taskId, state, options) =>
      done(await (await import('./operate.ts')).tasksMark(dagId, runId, taskId, state, options)),
    )
}
