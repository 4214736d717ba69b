import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import {
  DAG_RUN_STATES,
  isOver,
  isTerminal,
  TASK_INSTANCE_STATES,
  TASK_TRANSITIONS,
  type TaskInstanceState,
} from '../../src/dag/state.ts'
import { useDatabase } from '../support/database.ts'

const database = useDatabase()

describe('STATE_MACHINE.md shows the transitions that the code allows', async () => {
  const text = await readFile(new URL('../../src/runner/STATE_MACHINE.md', import.meta.url), 'utf8')
  const [instances = '', runs = ''] = [...text.matchAll(/```mermaid\n(.*?)```/gs)].map(([, diagram]) => diagram)

  test('for task instances', () => {
    expect(edges(instances)).toEqual(table(TASK_TRANSITIONS))
  })

  test('for runs', () => {
    expect(new Set(edges(runs).flatMap((edge) => edge.split(' → ')))).toEqual(new Set(DAG_RUN_STATES))
    expect(finals(runs)).toEqual(DAG_RUN_STATES.filter(isOver))
  })

  test('and final states have no transition to another state', () => {
    const final = TASK_INSTANCE_STATES.filter((state) => TASK_TRANSITIONS[state].length === 0)
    expect(final).toEqual(TASK_INSTANCE_STATES.filter(isTerminal))
    expect(finals(instances)).toEqual(final)
  })
})

function edges(diagram: string): string[] {
  return [...diagram.matchAll(/^ {2}(\w+) --> (\w+):/gm)].map(([, from, to]) => `${from} → ${to}`).sort()
}

function finals(diagram: string): (string | undefined)[] {
  return [...diagram.matchAll(/^ {2}(\w+) --> \[\*\]/gm)].map(([, state]) => state)
}

function table(transitions: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(transitions)
    .flatMap(([from, tos]) => tos.map((to) => `${from} → ${to}`))
    .sort()
}

describe('the database accepts exactly the rows that a state allows', () => {
  const marks = [true, false].flatMap((ended) =>
    [true, false].flatMap((job) =>
      [true, false].flatMap((due) => [true, false].map((started) => ({ ended, job, due, started }))),
    ),
  )

  test.each(TASK_INSTANCE_STATES)('task instance: %s', async (state) => {
    for (const row of marks) {
      const allowed =
        row.ended === isTerminal(state) && row.due === waits(state) && (state !== 'running' || (row.job && row.started))
      expect(await fits(state, row), `${state} ${JSON.stringify(row)}`).toBe(allowed)
    }
  })

  test.each(DAG_RUN_STATES)('run: %s', async (state) => {
    for (const { ended, job, started } of marks) {
      const allowed = ended === (state === 'success' || state === 'failed') && (state !== 'running' || (job && started))
      expect(await runFits(state, { ended, job, started }), `${state} ${JSON.stringify({ ended, job, started })}`).toBe(
        allowed,
      )
    }
  })

  test('an unknown state is refused', async () => {
    await expect(
      inserted(`insert into task_instance (dag_run_id, task_id, state) select dag_run_id, 'x', 'waiting' from run`),
    ).rejects.toMatchObject({ code: '23514' })
    await expect(
      inserted(`insert into task_instance (dag_run_id, task_id, state) select dag_run_id, 'x', null from run`),
    ).rejects.toMatchObject({ code: '23502' })
  })
})

function waits(state: TaskInstanceState): boolean {
  return state === 'up_for_retry' || state === 'up_for_reschedule'
}

async function fits(
  state: string,
  row: { ended: boolean; job: boolean; due: boolean; started: boolean },
): Promise<boolean> {
  return await accepted(`insert into task_instance (dag_run_id, task_id, state, ended_at, job_id, due_at, started_at)
    select dag_run_id, 'x', '${state}', ${time(row.ended)}, ${row.job ? 'job_id' : 'null'}, ${time(row.due)}, ${time(row.started)}
    from run, job_of_run`)
}

async function runFits(state: string, row: { ended: boolean; job: boolean; started: boolean }): Promise<boolean> {
  return await accepted(`update dag_run set state = '${state}', ended_at = ${time(row.ended)}, started_at = ${time(row.started)},
    job_id = ${row.job ? '(select job_id from job_of_run)' : 'null'} where dag_run_id = (select dag_run_id from run)`)
}

function time(set: boolean): string {
  return set ? 'now()' : 'null::timestamptz'
}

async function accepted(sql: string): Promise<boolean> {
  return await inserted(sql).then(
    () => true,
    (error: { code?: string }) => {
      if (error.code === '23514') return false
      throw error
    },
  )
}

/** Inserts a run and a job that the row can refer to, in a transaction that is rolled back. */
async function inserted(sql: string): Promise<void> {
  const client = await database.pool.connect()
  try {
    await client.query('begin')
    await client.query('set local search_path to metadata')
    await client.query('create temp table job_of_run (job_id bigint) on commit drop')
    await client.query('create temp table run (dag_run_id bigint) on commit drop')
    await client.query(`with j as (insert into job (kind, hostname, pid) values ('start', 'here', 1) returning job_id)
      insert into job_of_run select job_id from j`)
    await client.query(`insert into dag (dag_id) values ('d')`)
    await client.query(`with v as (insert into dag_version (dag_id, hash, graph) values ('d', 'h', '[]') returning dag_version_id),
      r as (insert into dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start, data_interval_end, dag_version_id)
        select 'd', 'r', 'manual', 'queued', now(), now(), now(), dag_version_id from v returning dag_run_id)
      insert into run select dag_run_id from r`)
    await client.query(sql)
  } finally {
    await client.query('rollback')
    client.release()
  }
}
