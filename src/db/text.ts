/** Text as Postgres takes it: no NUL bytes, no lone surrogates. */
export function storableText(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed()
  return whole.includes('\u0000') ? whole.replaceAll('\u0000', '\uFFFD') : whole
}

/** JSON text as jsonb takes it. Undefined where there is nothing to store (undefined, a function). */
export function storableJson(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, member) => (typeof member === 'string' ? storableText(member) : member))
}
