import pc from 'picocolors'
import type { Setup } from '../../app.ts'
import type { Check } from '../../commands.ts'
import { parseSettings } from '../../config.ts'
import type { Dag } from '../../dag/dag.ts'
import { type Databases, openDatabases } from '../../databases.ts'
import { hasSameAddress } from '../../db/pool.ts'
import { messageOf } from '../../errors.ts'
import { checkMigrations, checkPooler, checkServer } from '../../maintenance/check.ts'
import { checkEngine } from '../../maintenance/check-engine.ts'
import { checkRights } from '../../maintenance/check-rights.ts'
import { checkRuns } from '../../maintenance/check-runs.ts'
import { missingSources } from '../../operations/after-words.ts'
import { columnsOf, wrap } from '../../terminal-text.ts'
import { openCommandHost, stopSignal } from '../command-host.ts'
import { settingsWarnings } from '../settings-warnings.ts'
import { terminalColumns } from '../terminal/screen.ts'
import { answer } from '../terminal/table.ts'
import { setUpCommand } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `db check`: prints each problem and how to fix it; returns 1 if a check failed. */
export async function dbCheck({ output }: ListOptions): Promise<number> {
  const setup = await setUpCommand()
  const databases = await checkDatabases(setup)
  const isReached = databases.every(({ name, level }) => name !== 'connection' || level === 'ok')
  const settings = settingsWarnings(setup).map((message): Check => ({ name: 'settings', level: 'warn', message }))
  const found = [...databases, ...(await checkDags(setup, isReached)), ...settings]
  const checks = found.map((check) => ({ ...check, message: setup.scrub(check.message) }))
  answer(output, checks, () => lines(checks).join('\n'))
  return checks.some(({ level }) => level === 'fail') ? 1 : 0
}

async function checkDatabases(setup: Setup): Promise<Check[]> {
  try {
    const databases = await openDatabases(setup, { create: false, asFound: true, direct: true })
    return await checkOpened(setup, databases).finally(databases.close)
  } catch (error) {
    return [{ name: 'connection', level: 'fail', message: messageOf(error) }]
  }
}

async function checkOpened({ config, loaded }: Setup, { db, metadata, direct }: Databases): Promise<Check[]> {
  const name = config.databaseUrl === undefined ? 'the embedded server' : config.databaseSetting
  const { check, usable } = await checkMigrations(metadata)
  return [
    ...(await checkServer(db, name)),
    ...(hasSameAddress(db, metadata.pool) ? [] : await checkServer(metadata.pool, 'METADATA_DATABASE_URL')),
    ...(await checkPooler(direct.pool, direct.setting)),
    check,
    ...(usable ? await checkTables(metadata, [...loaded.dags.keys()]) : []),
    ...(usable && config.executor === 'distributed'
      ? await checkEngine(metadata, config.workerSchema, loaded.dags)
      : []),
  ]
}

/** @param here ids of the dags whose code is in PIPELINES_DIR */
async function checkTables(metadata: Databases['metadata'], here: readonly string[]): Promise<Check[]> {
  const rights = await checkRights(metadata)
  return rights.level === 'ok' ? [rights, ...(await checkRuns(metadata, here))] : [rights]
}

/** @param isReached false if the database does not answer, which is reported only once and not for each dag */
async function checkDags({ env, loaded }: Setup, isReached: boolean): Promise<Check[]> {
  const broken = loaded.importErrors.map(
    ({ folder, message }): Check => ({ name: folder, level: 'fail', message: `could not be loaded: ${message}` }),
  )
  const signal = AbortSignal.any([stopSignal(), AbortSignal.timeout(DAG_CHECK_MS)])
  const own = await Promise.all(
    [...loaded.dags.values()].map((dag) => checkDag(dag, env, isReached ? signal : undefined)),
  )
  const waiting = missingSources(loaded.dags).map(
    ({ dagId, message }): Check => ({ name: dagId, level: 'warn', message }),
  )
  return [...broken, ...waiting, ...own.flat()]
}

const DAG_CHECK_MS = 10_000

/** Checks the dag's settings, and with a `signal` runs the dag's own checks. */
async function checkDag(dag: Dag, env: Setup['env'], signal: AbortSignal | undefined): Promise<Check[]> {
  try {
    parseSettings(env, [dag])
    const host = signal && openCommandHost(dag, env, { signal, done: () => {} })
    const own = host && (await (await dag.commands?.())?.check?.(host))
    return [...(own ?? [{ name: dag.id, level: 'ok' as const, message: 'loads, and its settings are valid' }])]
  } catch (error) {
    return [{ name: dag.id, level: 'fail', message: messageOf(error) }]
  }
}

const LOOK = { ok: pc.green('ok  '), warn: pc.yellow('warn'), fail: pc.red('fail') }

function lines(checks: readonly Check[]): string[] {
  const width = Math.max(...checks.map(({ name }) => columnsOf(name)))
  const indent = ' '.repeat(6 + width + 2)
  return checks.flatMap(({ name, level, message }) =>
    wrap(message, terminalColumns() - indent.length).map((text, index) =>
      index === 0 ? `${LOOK[level]}  ${name.padEnd(width)}  ${text}` : `${indent}${text}`,
    ),
  )
}
