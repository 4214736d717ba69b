import type { Command } from 'commander'
import { example } from '../example.ts'
import { outputOption } from '../output-option.ts'

type Done = (exitCode: number) => void

const DAG = ['<dag>', 'id of the dag'] as const
const RUN = ['<run>', "run_id, or 'latest'"] as const
const TASK = ['<task>', 'id of the task'] as const

export function addDags(program: Command, done: Done): void {
  const dags = program.command('dags').description('what can run, and what has run')
  dags
    .command('list')
    .description('every dag, and every folder that could not be loaded')
    .addOption(outputOption())
    .addHelpText('after', example('dags list'))
    .action(async (options) => done(await (await import('./dags.ts')).dagsList(options)))
  dags
    .command('show')
    .description('the tasks of a dag and what they wait for')
    .argument(...DAG)
    .option('--mermaid', 'as a Mermaid diagram, for a README or an issue')
    .addOption(outputOption())
    .addHelpText('after', example('dags show rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags-show.ts')).dagsShow(dagId, options)))
  dags
    .command('trigger')
    .description('queue a run for whichever process takes it up')
    .argument(...DAG)
    .option('--conf <json>', 'params of the run, a JSON object')
    .option('--logical-date <instant>', 'the instant it stands for, e.g. 2026-01-31T12:00:00Z (default: now)')
    .option('--wait', 'until it has ended; the exit code tells how')
    .addHelpText('after', example('dags trigger rocket-launches --wait'))
    .action(async (dagId, options) => done(await (await import('./dags-trigger.ts')).dagsTrigger(dagId, options)))
  for (const [verb, says] of [
    ['pause', 'give a dag no more scheduled runs; by hand it still runs'],
    ['unpause', 'let its schedule go on with the next tick'],
  ] as const) {
    dags
      .command(verb)
      .description(says)
      .argument(...DAG)
      .addHelpText('after', example(`dags ${verb} rocket-launches`))
      .action(async (dagId) => done(await (await import('./dags-schedule.ts')).dagsPause(dagId, verb === 'pause')))
  }
  dags
    .command('next')
    .description('when the dags run next')
    .argument('[dag]', 'of this one, several ticks')
    .addOption(outputOption())
    .option('--limit <n>', 'how many ticks of each')
    .addHelpText('after', example('dags next rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags-schedule.ts')).dagsNext(dagId, options)))
  addBackfill(dags, done)
  dags
    .command('runs')
    .description('the newest runs of a dag')
    .argument(...DAG)
    .addOption(outputOption())
    .option('--limit <n>', 'how many', '25')
    .addHelpText('after', example('dags runs rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags.ts')).dagsRuns(dagId, options)))
  dags
    .command('test')
    .description('run a dag once and keep nothing of the run')
    .argument(...DAG)
    .option('--conf <json>', 'params of the run, a JSON object')
    .addHelpText('after', example('dags test rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags-test.ts')).dagsTest(dagId, options)))
}

function addBackfill(dags: Command, done: Done): void {
  dags
    .command('backfill')
    .description('run the ticks of a time gone by')
    .argument(...DAG)
    .requiredOption('--from <instant>', 'the first tick, e.g. 2026-01-01 or 2026-01-01T12:00:00Z')
    .requiredOption('--to <instant>', 'the last one')
    .option('--dry-run', 'only say what would run')
    .option('--max-active-runs <n>', 'at once; never more than the dag allows')
    .addOption(
      dags
        .createOption('--reprocess <which>', 'do again, of the ticks that have a run')
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
  const runs = program.command('runs').description('one run of a dag; dags runs lists them')
  runs
    .command('show')
    .description('a run and its task instances')
    .argument(...DAG)
    .argument(...RUN)
    .addOption(outputOption())
    .addHelpText('after', example('runs show rocket-launches latest'))
    .action(async (dagId, runId, options) => done(await (await import('./runs.ts')).runsShow(dagId, runId, options)))
  runs
    .command('clear')
    .description('run tasks of a run again, in place; earlier tries are kept')
    .argument(...DAG)
    .argument(...RUN)
    .option('--task <task...>', 'only these')
    .option('--downstream', 'and everything that hangs on them')
    .option('--only-failed', 'of these, only what failed or could not run')
    .option('--dry-run', 'only say what would be cleared')
    .addHelpText('after', example('runs clear rocket-launches latest --only-failed'))
    .action(async (dagId, runId, options) =>
      done(await (await import('./operate.ts')).runsClear(dagId, runId, options)),
    )
  runs
    .command('cancel')
    .description('end a run: running tasks are told to stop and have failed')
    .argument(...DAG)
    .argument(...RUN)
    .addHelpText('after', example('runs cancel rocket-launches latest'))
    .action(async (dagId, runId) => done(await (await import('./operate.ts')).runsCancel(dagId, runId)))
}

export function addTasks(program: Command, done: Done): void {
  const tasks = program.command('tasks').description('the tasks of a dag, and what became of them in a run')
  tasks
    .command('list')
    .description('the tasks of a dag, in the order they may run')
    .argument(...DAG)
    .addOption(outputOption())
    .addHelpText('after', example('tasks list rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./dags-show.ts')).tasksList(dagId, options)))
  tasks
    .command('logs')
    .description('what a task logged')
    .argument(...DAG)
    .argument(...RUN)
    .argument(...TASK)
    .option('--try <n>', 'of this try only')
    .option('--follow', 'and what it logs from now on, until it has ended')
    .addHelpText('after', example('tasks logs rocket-launches latest fetch_and_store_data'))
    .action(async (dagId, runId, taskId, options) =>
      done(await (await import('./tasks.ts')).tasksLogs(dagId, runId, taskId, options)),
    )
  tasks
    .command('clear')
    .description(
      'run a task of a run again, in place, and judge again what did not run because of it; as runs clear --task',
    )
    .argument(...DAG)
    .argument(...RUN)
    .argument('<task...>', 'ids of the tasks')
    .option('--downstream', 'and everything that hangs on them')
    .option('--only-failed', 'of these, only what failed or could not run')
    .option('--dry-run', 'only say what would be cleared')
    .addHelpText('after', example('tasks clear rocket-launches latest notify_discord'))
    .action(async (dagId, runId, task, options) =>
      done(await (await import('./operate.ts')).runsClear(dagId, runId, { ...options, task })),
    )
  tasks
    .command('mark')
    .description('say how a task ended instead of running it')
    .argument(...DAG)
    .argument(...RUN)
    .argument(...TASK)
    .argument('<state>', 'success, failed or skipped')
    .option('--value <json>', 'what it returned, where it declares an output')
    .addHelpText('after', example('tasks mark rocket-launches latest notify_discord skipped'))
    .action(async (dagId, runId, taskId, state, options) =>
      done(await (await import('./operate.ts')).tasksMark(dagId, runId, taskId, state, options)),
    )
}
