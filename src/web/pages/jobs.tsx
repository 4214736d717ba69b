/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { Hono } from 'hono'
import { commandFor } from '../../command-for.ts'
import { versionProblem } from '../../maintenance/versions.ts'
import {
  blockedWords,
  codeDifference,
  type JobListing,
  listJobs,
  loadWords,
  servesWords,
  shortVersion,
} from '../../operations/list-jobs.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import { Page, Title } from '../layout.tsx'
import { Empty, Id, Notice, StateMark, Table, Time } from '../parts.tsx'
import type { WebEnv } from '../site.ts'
import { number } from './pick.tsx'

/** The processes of T-minus. */
export const jobPages = new Hono<WebEnv>()

const MOST_JOBS = 50

jobPages.get('/jobs', async (c) => {
  const { metadata, scrub } = c.var.site
  const jobs = await listJobs(metadata, MOST_JOBS)
  const running = jobs.filter(({ state }) => state === 'running')
  const ended = jobs.filter(({ state }) => state !== 'running')
  const different = codeDifference(running)
  const problems = [different, versionProblem(running)?.message].filter((one) => one !== undefined)
  return c.html(
    <Page c={c} title="Jobs">
      <Title text="Jobs">The processes of T-minus, newest first.</Title>
      <div class="stack">
        {problems.map((problem) => (
          <Notice>{problem}.</Notice>
        ))}
        {running.length > 0 && <Running jobs={running} isDifferent={different !== undefined} />}
        {running.length === 0 && (
          <Empty title={jobs.length === 0 ? 'No process has used this database yet' : 'No process is running'}>
            Start scheduler and executor with <code>{commandFor('start')}</code>
          </Empty>
        )}
        {ended.length > 0 && <Ended jobs={ended} scrub={scrub} />}
      </div>
    </Page>,
  )
})

function Running({ jobs, isDifferent }: { jobs: readonly JobListing[]; isDifferent: boolean }) {
  const newest = jobs.find(({ code_version }) => code_version !== null)?.code_version
  return (
    <section>
      <h2>Running</h2>
      <Table name="Running jobs" columns={['Job', 'Kind', 'Process', 'Load', 'Serves', 'Code', 'Start', 'Heartbeat']}>
        {jobs.map((job) => (
          <tr>
            <JobId job={job} />
            <td data-label="Kind">{job.kind}</td>
            <ProcessCell job={job} />
            <td data-label="Load">{job.slots !== null && <Load job={job} />}</td>
            <td data-label="Serves">{job.dags !== null && <Serves job={job} />}</td>
            <CodeCell job={job} differs={isDifferent && ![null, newest].includes(job.code_version)} />
            <td data-label="Start">
              <Time at={job.start_date} show="ago" />
            </td>
            <td data-label="Heartbeat">
              <span>
                <Time at={job.heartbeat_at} show="ago" />
                {job.blocked_ms !== null && `, ${blockedWords(job)}`}
              </span>
            </td>
          </tr>
        ))}
      </Table>
    </section>
  )
}

function Ended({ jobs, scrub }: { jobs: readonly JobListing[]; scrub: (text: string) => string }) {
  return (
    <section>
      <h2>Ended</h2>
      <Table name="Ended jobs" columns={['Job', 'Kind', 'State', 'Process', 'Code', 'Start', 'End', 'Reason']}>
        {jobs.map((job) => (
          <tr>
            <JobId job={job} />
            <td data-label="Kind">{job.kind}</td>
            <td class="fold-end">
              <StateMark state={job.state} />
            </td>
            <ProcessCell job={job} />
            <CodeCell job={job} />
            <td data-label="Start">
              <Time at={job.start_date} show="ago" />
            </td>
            <td data-label="End">
              <Time at={job.end_date} show="ago" />
            </td>
            <td class="reason">{job.reason && beginning(job.reason, SHOWN.listed, scrub)}</td>
          </tr>
        ))}
      </Table>
    </section>
  )
}

function JobId({ job }: { job: JobListing }) {
  return (
    <th scope="row" class="number">
      {job.job_id}
    </th>
  )
}

function ProcessCell({ job }: { job: JobListing }) {
  return (
    <td data-label="Process">
      <span>
        {job.pid} on <Id id={job.hostname} />
      </span>
    </td>
  )
}

/** @param differs true if the newest running process has loaded other code */
function CodeCell({ job, differs = false }: { job: JobListing; differs?: boolean }) {
  return (
    <td data-label="Code">
      {(job.code_version ?? job.tminus_version) !== null && (
        <span class="nobreak">
          {job.tminus_version} <code>{shortVersion(job.code_version)}</code>
          {differs && ' differs'}
        </span>
      )}
    </td>
  )
}

function Load({ job }: { job: JobListing }) {
  return (
    <span class="number">
      <meter min={0} max={job.slots ?? 1} value={job.used ?? 0} aria-label={`${loadWords(job)} slots used`} />{' '}
      {loadWords(job)}
    </span>
  )
}

const MOST_NAMED = 50

function Serves({ job }: { job: JobListing }) {
  const dags = job.dags ?? []
  if (dags.length === 0) return <span>{servesWords(job)}</span>
  return (
    <details>
      <summary>{servesWords(job)}</summary>
      <ul class="names">
        {dags.slice(0, MOST_NAMED).map((dagId) => (
          <li>
            <Id id={dagId} />
          </li>
        ))}
        {dags.length > MOST_NAMED && <li>{number(dags.length - MOST_NAMED)} more</li>}
      </ul>
    </details>
  )
}
