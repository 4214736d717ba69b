import type { Command, Option } from 'commander'
import type { Http } from './connectors/http.ts'
import type { Database } from './db/pool.ts'

/**
 * The exports of the module that a dag's `commands` option imports: the dag's own verbs, checks and metrics.
 *
 * ```ts
 * // dag.ts: commands: () => import('./commands.ts')
 * import type { Command, CommandHost } from 'tminus'
 *
 * export function register(program: Command, host: CommandHost): void {
 *   program
 *     .command('greet')
 *     .description('says hello')
 *     .addOption(host.outputOption())
 *     .action(async ({ output }) => {
 *       const rows = await host.withDatabase(async (db) => (await db.query('select name from guest')).rows)
 *       if (output === 'json') host.printJson(rows)
 *       else host.table(['name'], rows.map(({ name }) => [name]))
 *     })
 * }
 * ```
 *
 * A dag cannot replace a built-in verb. If two dags register the same verb, the dag whose folder name sorts first wins.
 * The module is imported for every command that is not built in, so import heavy modules inside the action.
 */
export interface Commands<Settings = Record<string, unknown>> {
  /** @param program commander's `program`: add the verbs to it */
  register?(program: Command, host: CommandHost<Settings>): void
  /** True: `start` and `scheduler` run the dag at once if it has a schedule and has never run. */
  runsAtFirstStart?: boolean
  /** Runs the dag's demo (`npm run demo`); returns the exit code. */
  demo?(host: DemoHost): Promise<number>
  /** This dag's results in `db check` (time limit 10 s) and on the health page (2 s). */
  check?(host: CheckHost<Settings>): Promise<readonly Check[]>
  /** This dag's values in `/metrics`, read at each scrape (time limit 5 s). */
  metrics?(host: MetricsHost<Settings>): Promise<readonly Metric[]>
}

/** One current value for `/metrics`. Name it by https://prometheus.io/docs/practices/naming. */
export interface Metric {
  name: string
  help: string
  value: number
  labels?: Readonly<Record<string, string>>
}

export type MetricsHost<Settings = Record<string, unknown>> = Pick<
  CommandHost<Settings>,
  'settings' | 'now' | 'signal' | 'withDatabase'
>

/** A check may query only the database, because it runs for each view of the health page. */
export type CheckHost<Settings = Record<string, unknown>> = MetricsHost<Settings>

/** The result of one check. Unless the level is `ok`, the message ends with what to do. */
export interface Check {
  /** True: the pages show it everywhere until it is solved, as they do with every `fail`. */
  urgent?: boolean
  /** One or two words. */
  name: string
  level: 'ok' | 'warn' | 'fail'
  message: string
}

/**
 * The tools that a verb receives. A verb's exit code is 0 unless it calls `done` with another code or throws. A
 * TminusError gives 1 and a UsageError gives 2; its message is printed.
 */
export interface CommandHost<Settings = Record<string, unknown>> {
  /** The dag's `settings`, parsed. Throws a UsageError that names every wrong setting. */
  settings(): Settings
  /** The current time, by `CLOCK`. */
  now(): Date
  /** Aborted by Ctrl-C. The process exits if the verb has not ended two seconds later. */
  readonly signal: AbortSignal
  /** HTTP requests with time and size limits; they are aborted when the verb ends. */
  readonly http: Http
  /**
   * Opens the database (`DATABASE_URL`), runs `work`, then closes it. If there is no database, throws a TminusError
   * that says what to run.
   */
  withDatabase<T>(work: (db: Database) => Promise<T>): Promise<T>
  /** `-o, --output <table|json>` */
  outputOption(): Option
  /** Prints one line, wrapped at words on a terminal. Control characters are replaced, so external text is safe. */
  print(text: string): void
  printJson(value: unknown): void
  /**
   * Prints a table. A terminal that is too narrow hides the columns whose titles are in `spare`, in that order, then
   * cuts the widest columns, but never the first one. Other outputs show everything.
   */
  table(header: readonly string[], rows: readonly (readonly string[])[], options?: { spare?: readonly string[] }): void
  /** Prints one field per line with aligned values. Skips null and empty values. */
  fields(fields: readonly (readonly [name: string, value: string | null])[]): void
  /** Writes text unchanged and waits for its reader. If it returns false (`| head`, Ctrl-C), stop writing. */
  write(text: string): Promise<boolean>
  done(exitCode: number): void
}

export interface DemoHost {
  /**
   * Runs the dag once with these settings and waits for the end; returns the exit code. `quiet` prints nothing unless
   * the run fails.
   */
  run(settings: Readonly<Record<string, string>>, options?: { quiet?: boolean }): Promise<number>
  /**
   * Serves the pages and runs the dag on its schedule, until Ctrl-C or for ten minutes; returns the exit code. `onPage`
   * gets the address. Undefined unless a person watches: without a terminal, with `CI` or with `--exit`.
   */
  serve?(settings: Readonly<Record<string, string>>, onPage: (url: string) => void): Promise<number>
}
