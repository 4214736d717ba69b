import type { Command, Option } from 'commander'
import type { Http } from './connectors/http.ts'
import type { Database } from './db/pool.ts'

/**
 * What the module of a dag's `commands` exports: verbs of the command line that are the dag's own.
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
 * Of two dags with the same verb the first, by the name of its folder, has it; built-in verbs cannot be replaced. The
 * module is imported only when none of those is asked for, so import what is heavy inside the action.
 */
export interface Commands<Settings = Record<string, unknown>> {
  /** @param program takes the verbs, as commander's `program` does */
  register?(program: Command, host: CommandHost<Settings>): void
  /** Shown by `npm run demo`; returns the exit code. */
  demo?(host: DemoHost): Promise<number>
  /** What `db check`, and the page's health, tell of this dag; given ten seconds, and two. */
  check?(host: CheckHost<Settings>): Promise<readonly Check[]>
  /** What `/metrics` tells of this dag, asked at each scrape; given five seconds. */
  metrics?(host: MetricsHost<Settings>): Promise<readonly Metric[]>
}

/** A number for `/metrics`, as it is now; the names and units of https://prometheus.io/docs/practices/naming. */
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

/** A check asks the database and nobody else: it is made for each page that shows it. */
export type CheckHost<Settings = Record<string, unknown>> = MetricsHost<Settings>

/** One thing that was looked at; where it is not `ok` the message ends with what to do. */
export interface Check {
  /** A word or two. */
  name: string
  level: 'ok' | 'warn' | 'fail'
  message: string
}

/**
 * What a verb is given. A verb ends with exit code 0 unless it says otherwise: by `done`, by throwing a TminusError (1)
 * or a UsageError (2), whose sentence is shown.
 */
export interface CommandHost<Settings = Record<string, unknown>> {
  /** The dag's `settings`, parsed. Throws UsageError that names every wrong one. */
  settings(): Settings
  /** The time; follows `CLOCK`. */
  now(): Date
  /** Aborted by Ctrl-C; a verb that has not ended two seconds later is ended. */
  readonly signal: AbortSignal
  /** Bounded requests that end with the verb. */
  readonly http: Http
  /**
   * Opens the launches' database (`DATABASE_URL`) for as long as `work` takes. Makes none: throws TminusError that says
   * what to run where there is none.
   */
  withDatabase<T>(work: (db: Database) => Promise<T>): Promise<T>
  /** `-o, --output <table|json>` */
  outputOption(): Option
  /** A line. What others wrote cannot move the cursor; on a terminal it is wrapped at words. */
  print(text: string): void
  printJson(value: unknown): void
  /**
   * On a terminal the widest columns are cut to fit, but never the first, and columns of the titles `spare` are left
   * out, in this order, where it is too narrow for all; elsewhere everything is shown.
   */
  table(header: readonly string[], rows: readonly (readonly string[])[], options?: { spare?: readonly string[] }): void
  /** One below the other, values aligned; those that are null or empty are left out. */
  fields(fields: readonly (readonly [name: string, value: string | null])[]): void
  /** Text as it is, at the pace of its reader. False when nobody reads on (`| head`, Ctrl-C): write no more. */
  write(text: string): Promise<boolean>
  done(exitCode: number): void
}

export interface DemoHost {
  /** Runs the dag once, to its end, with these settings; returns its exit code. */
  run(settings: Readonly<Record<string, string>>): Promise<number>
}
