/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import { type ParamField, textOf } from '../params.ts'

interface Described {
  id: string
  'aria-invalid': 'true' | undefined
  'aria-describedby': string | undefined
}

interface FieldBoxProps {
  id: string
  label: string
  required?: boolean
  hint: string
  error: string | undefined
  /** Draws the input with these attributes. */
  children: (described: Described) => Child
}

/** Label, hint, input and error of a field. */
export function FieldBox({ id, label, required = false, hint, error, children }: FieldBoxProps) {
  return (
    <div class="field">
      <label for={id}>
        {label}
        {required && <span class="muted"> (required)</span>}
      </label>
      <Hint id={id} hint={hint} />
      {children(describedBy(id, hint, error))}
      <Problem id={id} error={error} />
    </div>
  )
}

function describedBy(id: string, hint: string, error: string | undefined): Described {
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ')
  return { id, 'aria-invalid': error ? 'true' : undefined, 'aria-describedby': described || undefined }
}

function Hint({ id, hint }: { id: string; hint: string }) {
  if (hint === '') return null
  return (
    <p class="hint" id={`${id}-hint`}>
      {hint}
    </p>
  )
}

function Problem({ id, error }: { id: string; error: string | undefined }) {
  if (error === undefined) return null
  return (
    <p class="error" id={`${id}-error`}>
      {error}
    </p>
  )
}

interface ParamInputProps {
  field: ParamField
  /** The text that the reader entered; undefined before that. */
  value: string | undefined
  error: string | undefined
}

/** The field of a param. */
export function ParamInput({ field, value, error }: ParamInputProps) {
  const { name, kind, required } = field
  const id = `param-${name}`
  if (kind === 'boolean') return <CheckBox id={id} field={field} value={value} error={error} />
  return (
    <FieldBox
      id={id}
      label={kind === 'instant' ? `${name} (UTC)` : name}
      required={required}
      hint={hintOf(field)}
      error={error}
    >
      {(described) => <Control field={field} value={value ?? ''} described={described} />}
    </FieldBox>
  )
}

function hintOf({ description, limits, standard, kind }: ParamField): string {
  const isShown = standard !== undefined && kind !== 'boolean' && kind !== 'choice'
  const hints = [description, limits, isShown ? `Default: ${textOf(standard)}` : '', kind === 'json' ? 'JSON' : '']
  return hints
    .filter(Boolean)
    .map((one) => one.replace(/\.$/, ''))
    .join('. ')
}

/**
 * A browser sends nothing for an empty box. A hidden field sends `false`, except for a param that may be omitted and has
 * no default: then the param is omitted.
 */
function CheckBox({ id, field, value, error }: ParamInputProps & { id: string }) {
  const { name, required, standard } = field
  const hint = hintOf(field)
  return (
    <div class="field">
      {(required || standard !== undefined) && <input type="hidden" name={name} value="false" />}
      <label class="check" for={id}>
        <input
          type="checkbox"
          name={name}
          value="true"
          checked={value === undefined ? standard === true : value === 'true'}
          {...describedBy(id, hint, error)}
        />
        {name}
      </label>
      <Hint id={id} hint={hint} />
      <Problem id={id} error={error} />
    </div>
  )
}

function Control({ field, value, described }: { field: ParamField; value: string; described: Described }) {
  const { name, kind, choices } = field
  const standard = field.standard === undefined ? undefined : textOf(field.standard)
  if (kind === 'json') {
    return (
      <textarea rows={4} name={name} placeholder={standard} {...described}>
        {value}
      </textarea>
    )
  }
  if (kind === 'choice') {
    return (
      <select name={name} {...described}>
        <option value="">{standard === undefined ? '–' : `${standard} (default)`}</option>
        {choices.map((one) => (
          <option value={one} selected={one === value}>
            {one}
          </option>
        ))}
      </select>
    )
  }
  if (kind === 'date' || kind === 'instant') return <Day name={name} kind={kind} value={value} described={described} />
  return (
    <input
      type="text"
      inputmode={kind === 'number' ? 'decimal' : undefined}
      name={name}
      value={value}
      placeholder={standard}
      {...described}
    />
  )
}

/** Text that is no date stays visible in a text field, so that the reader can correct it. */
function Day({
  name,
  kind,
  value,
  described,
}: {
  name: string
  kind: 'date' | 'instant'
  value: string
  described: Described
}) {
  const at =
    kind === 'date' ? /^\d{4}-\d\d-\d\d$/.exec(value)?.[0] : /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?/.exec(value)?.[0]
  if (value !== '' && at === undefined) return <input type="text" name={name} value={value} {...described} />
  const type = kind === 'date' ? 'date' : 'datetime-local'
  return <input type={type} name={name} value={at} step={kind === 'instant' ? 'any' : undefined} {...described} />
}
