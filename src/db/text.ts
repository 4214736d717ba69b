/** Text as Postgres takes it: no NUL bytes, no lone surrogates. */
export function storableText(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed()
  return whole.includes('\u0000') ? whole.replaceAll('\u0000', '\uFFFD') : whole
}

/**
 * JSON text as jsonb takes it, its texts passed through `clean`. Undefined where there is nothing to store (undefined,
 * a function). Throws TypeError for what JSON cannot hold: a bigint, a circle.
 */
export function storableJson(value: unknown, clean = (text: string) => text): string | undefined {
  return JSON.stringify(value, (_key, member) => (typeof member === 'string' ? storableText(clean(member)) : member))
}

/** The text of a record, as an array of a composite type takes it. */
export function storableRecord(...values: readonly (string | number | null | undefined)[]): string {
  return `(${values.map((value) => (typeof value === 'string' ? quoted(value) : (value ?? ''))).join()})`
}

function quoted(text: string): string {
  return `"${/["\\]/.test(text) ? text.replaceAll(/["\\]/g, '\\$&') : text}"`
}
