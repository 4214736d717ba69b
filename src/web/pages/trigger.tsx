/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import type { Dag } from '../../dag/dag.ts'
import { whyStaysQueued } from '../../maintenance/stays-queued.ts'
import { type FoundDag, findDag, loadedDag } from '../find.ts'
import { type Form, readForm } from '../form.ts'
import { instantOf } from '../instant-field.ts'
import { confOf, confOfJson, type ParamErrors, type ParamField, paramFields, textOf } from '../params.ts'
import { Notice } from '../parts.tsx'
import { paths } from '../paths.ts'
import { requireRole } from '../rights.ts'
import { queueRun } from '../run-changes.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { DagPage } from './dag-head.tsx'
import { FieldBox, ParamInput } from './trigger-fields.tsx'

export const triggerPages = new Hono<WebEnv>()
triggerPages.use('/dags/:dag/trigger', requireRole('operator'))

/** Names of fields that are not params. A colon is unusual in the name of a param. */
const VIEW = ':view'
const SHOW = ':show'
const JSON_TEXT = ':conf'
const LOGICAL_DATE = ':logical_date'

/** What the reader has entered so far. */
interface Entered {
  view: 'form' | 'json'
  /** By param; a param without an entry shows its default. */
  fields: Readonly<Record<string, string>>
  json: string
  logicalDate: string
}

triggerPages.get('/dags/:dag/trigger', async (c) => {
  const dag = loadedDag(c)
  const found = await findDag(c)
  const warning = await whyStaysQueued(c.var.site.metadata, dag)
  const entered: Entered = { view: 'form', fields: {}, json: '', logicalDate: '' }
  return c.html(<TriggerPage c={c} dag={dag} found={found} warning={warning} entered={entered} errors={{}} />)
})

triggerPages.post('/dags/:dag/trigger', async (c) => {
  const dag = loadedDag(c)
  const form = await readForm(c)
  const entered = enteredIn(dag, form)
  const { conf, errors } = entered.view === 'json' ? confOfJson(dag, entered.json) : confOf(dag, entered.fields)
  const show = form(SHOW)
  if (show === 'json' || show === 'form') {
    const shown = switched(dag, entered, show, conf, errors)
    const found = await findDag(c)
    return c.html(<TriggerPage c={c} dag={dag} found={found} warning={undefined} {...shown} />)
  }
  const at = entered.logicalDate === '' ? undefined : instantOf(entered.logicalDate)
  if (entered.logicalDate !== '' && at === undefined) errors[LOGICAL_DATE] = 'Expected a date and time after 1900'
  if (Object.keys(errors).length > 0) {
    const found = await findDag(c)
    return c.html(<TriggerPage c={c} dag={dag} found={found} warning={undefined} {...{ entered, errors }} />, 400)
  }
  const { runId } = await queueRun(c.var.site, c.var.viewer, dag, conf, at)
  return c.redirect(paths.run(dag.id, runId), 303)
})

function enteredIn(dag: Dag, form: Form): Entered {
  return {
    view: form(VIEW) === 'json' ? 'json' : 'form',
    fields: Object.fromEntries(paramFields(dag).map(({ name }) => [name, form(name)])),
    json: form(JSON_TEXT),
    logicalDate: form(LOGICAL_DATE).trim(),
  }
}

/** The entries in the other view. Text that fits no field stays in the JSON view, with the error. */
function switched(
  dag: Dag,
  entered: Entered,
  view: Entered['view'],
  conf: Record<string, unknown>,
  errors: ParamErrors,
): { entered: Entered; errors: ParamErrors } {
  const fields = paramFields(dag)
  // Values that cannot be stored, such as those of too many levels, cannot be written as JSON either.
  if ('' in errors) return { entered, errors }
  if (view === 'json') {
    const defaults = Object.fromEntries(fields.map(({ name, standard }) => [name, standard]))
    const json = entered.view === 'json' ? entered.json : indented({ ...defaults, ...conf })
    return { entered: { ...entered, view, json }, errors: {} }
  }
  const isLost = Object.keys(conf).some((name) => !fields.some((field) => field.name === name))
  if (isLost) return { entered, errors }
  const texts = fields.map(({ name }) => [name, name in conf ? textOf(conf[name]) : ''])
  return { entered: { ...entered, view, fields: Object.fromEntries(texts) }, errors: {} }
}

const MOST_INDENTED = 10_000

/** JSON text. A long one is not indented, because indents of many levels could make it a hundred times longer. */
function indented(conf: Record<string, unknown>): string {
  const text = JSON.stringify(conf)
  return text.length > MOST_INDENTED ? text : JSON.stringify(conf, null, 2)
}

interface TriggerProps {
  c: WebContext
  dag: Dag
  found: FoundDag
  /** The reason why no running process would execute the run. */
  warning: string | undefined
  entered: Entered
  errors: ParamErrors
}

function TriggerPage({ c, dag, found, warning, entered, errors }: TriggerProps) {
  const fields = paramFields(dag)
  const wrong = Object.keys(errors).length
  return (
    <DagPage c={c} found={found} tab="trigger">
      <form class="narrow" method="post" novalidate>
        {/* The enter key presses the first button of a form. It must not be one that switches the view. */}
        <button type="submit" hidden>
          Trigger
        </button>
        <input type="hidden" name={VIEW} value={entered.view} />
        <h2>Trigger a run</h2>
        {warning && <Notice>{warning}</Notice>}
        {wrong > 0 && (
          <Notice kind="bad">
            {errors[''] ?? `Not triggered: ${wrong === 1 ? 'one field is' : `${wrong} fields are`} invalid.`}
          </Notice>
        )}
        {fields.length > 0 && <Views view={entered.view} />}
        {fields.length === 0 && <p class="muted">This dag has no params.</p>}
        {entered.view === 'json' ? (
          <JsonParams text={entered.json} fields={fields} errors={errors} />
        ) : (
          fields.map((field) => (
            <ParamInput field={field} value={entered.fields[field.name]} error={errors[field.name]} />
          ))
        )}
        <LogicalDate value={entered.logicalDate} error={errors[LOGICAL_DATE]} />
        <p class="actions">
          <button type="submit" class="main">
            Trigger {dag.id}
          </button>
          <a class="button" href={paths.dag(dag.id)}>
            Cancel
          </a>
        </p>
      </form>
    </DagPage>
  )
}

/** Buttons of the form rather than links, so that a switch keeps what the reader entered. */
function Views({ view }: { view: Entered['view'] }) {
  return (
    <fieldset class="segments" aria-label="Enter params as">
      {(['form', 'json'] as const).map((one) => (
        <button type="submit" name={SHOW} value={one} aria-pressed={one === view ? 'true' : 'false'}>
          {one === 'form' ? 'Fields' : 'JSON'}
        </button>
      ))}
    </fieldset>
  )
}

function JsonParams({ text, fields, errors }: { text: string; fields: readonly ParamField[]; errors: ParamErrors }) {
  const wrong = Object.entries(errors).filter(([name]) => name !== '' && name !== LOGICAL_DATE)
  const names = fields.map(({ name, required }) => (required ? `${name} (required)` : name)).join(', ')
  const error = wrong.map(([name, why]) => `${name}: ${why}`).join('. ')
  return (
    <FieldBox id="params-json" label="Params as JSON" hint={`Names: ${names}`} error={error || undefined}>
      {(described) => (
        <textarea rows={12} name={JSON_TEXT} spellcheck={false} {...described}>
          {text}
        </textarea>
      )}
    </FieldBox>
  )
}

function LogicalDate({ value, error }: { value: string; error: string | undefined }) {
  return (
    <FieldBox
      id="logical-date"
      label="Logical date (UTC)"
      hint="The instant that the run represents. Empty: now."
      error={error}
    >
      {(described) => <input type="datetime-local" name={LOGICAL_DATE} value={value} {...described} />}
    </FieldBox>
  )
}
