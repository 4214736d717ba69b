/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import type { Dag } from '../../dag/dag.ts'
import { whyStaysQueued } from '../../maintenance/stays-queued.ts'
import { type FoundDag, findDag, loadedDag } from '../find.ts'
import { readForm } from '../form.ts'
import { confOf, type ParamErrors, type ParamField, paramFields } from '../params.ts'
import { Notice } from '../parts.tsx'
import { paths } from '../paths.ts'
import { requireRole } from '../rights.ts'
import { queueRun } from '../run-changes.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { DagPage } from './dag-head.tsx'

export const triggerPages = new Hono<WebEnv>()
triggerPages.use('/dags/:dag/trigger', requireRole('operator'))

triggerPages.get('/dags/:dag/trigger', async (c) => {
  const dag = loadedDag(c)
  const found = await findDag(c)
  const warning = await whyStaysQueued(c.var.site.metadata, dag)
  return c.html(<TriggerPage c={c} dag={dag} found={found} warning={warning} given={{}} errors={{}} />)
})

triggerPages.post('/dags/:dag/trigger', async (c) => {
  const dag = loadedDag(c)
  const field = await readForm(c)
  const given = Object.fromEntries(paramFields(dag).map(({ name }) => [name, field(name)]))
  const { conf, errors } = confOf(dag, given)
  if (Object.keys(errors).length > 0) {
    const found = await findDag(c)
    return c.html(<TriggerPage c={c} dag={dag} found={found} warning={undefined} given={given} errors={errors} />, 400)
  }
  const { runId } = await queueRun(c.var.site, c.var.viewer, dag, conf)
  return c.redirect(paths.run(dag.id, runId), 303)
})

interface TriggerProps {
  c: WebContext
  dag: Dag
  found: FoundDag
  /** The reason why no running process would execute the run. */
  warning: string | undefined
  given: Readonly<Record<string, string>>
  errors: ParamErrors
}

function TriggerPage({ c, dag, found, warning, given, errors }: TriggerProps) {
  const fields = paramFields(dag)
  const wrong = Object.keys(errors).length
  return (
    <DagPage c={c} found={found} tab="trigger">
      <form class="narrow" method="post" novalidate>
        <h2>Trigger a run</h2>
        {warning && <Notice>{warning}</Notice>}
        {wrong > 0 && (
          <Notice kind="bad">
            {errors[''] ?? `Not triggered: ${wrong === 1 ? 'one field is' : `${wrong} fields are`} invalid.`}
          </Notice>
        )}
        {fields.length === 0 && <p class="muted">This dag has no params. The run's logical date is now.</p>}
        {fields.map((field) => (
          <Field field={field} value={given[field.name] ?? ''} error={errors[field.name]} />
        ))}
        <p class="actions">
          <button type="submit" class="main">
            Trigger {dag.id}
          </button>
          <a class="button" href={paths.dag(dag.id)}>
            Back
          </a>
        </p>
      </form>
    </DagPage>
  )
}

function Field({ field, value, error }: { field: ParamField; value: string; error: string | undefined }) {
  const { name, kind, required, description, standard } = field
  const id = `param-${name}`
  const hints = [description, standard === undefined ? '' : `Default: ${standard}`, kind === 'json' ? 'JSON' : '']
  const hint = hints.filter(Boolean).join('. ')
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ')
  const common = {
    id,
    name,
    'aria-invalid': error ? ('true' as const) : undefined,
    'aria-describedby': described || undefined,
  }
  return (
    <div class="field">
      <label for={id}>
        {name}
        {required && <span class="muted"> (required)</span>}
      </label>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <Control field={field} value={value} common={common} />
      {error && (
        <p class="error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  )
}

function Control({ field, value, common }: { field: ParamField; value: string; common: Record<string, unknown> }) {
  const { kind, standard, choices } = field
  if (kind === 'json') {
    return (
      <textarea rows={4} placeholder={standard} {...common}>
        {value}
      </textarea>
    )
  }
  if (kind === 'text' || kind === 'number' || kind === 'any') {
    return (
      <input
        type="text"
        inputmode={kind === 'number' ? 'decimal' : undefined}
        value={value}
        placeholder={standard}
        {...common}
      />
    )
  }
  const options = kind === 'boolean' ? ['true', 'false'] : choices
  return (
    <select {...common}>
      <option value="">{standard === undefined ? '–' : `${standard} (default)`}</option>
      {options.map((one) => (
        <option value={one} selected={one === value}>
          {one}
        </option>
      ))}
    </select>
  )
}
