/** Takes the given secrets, and what looks like one, out of a text. */
export type Scrub = (text: string) => string

const SECRET_NAME = /TOKEN|SECRET|PASSWORD|WEBHOOK|API_KEY/

/** Shorter values would tear holes into ordinary words. */
const SHORTEST = 6

/** Reads secrets out of the environment by the names of its variables, and passwords out of any address in it. */
export function scrubber(env: Readonly<Record<string, string | undefined>>): Scrub {
  const secrets = new Set<string>()
  for (const [name, value] of Object.entries(env)) {
    if (!value) continue
    if (SECRET_NAME.test(name)) for (const secret of value.split(',')) secrets.add(secret.trim())
    for (const password of passwordsIn(value)) secrets.add(password)
  }
  const known = [...secrets].filter((secret) => secret.length >= SHORTEST).sort((a, b) => b.length - a.length)
  return (text) => known.reduce((rest, secret) => rest.replaceAll(secret, '***'), shapeless(text))
}

/** What is a secret by its place: a webhook's token, a password in an address. */
function shapeless(text: string): string {
  return text
    .replace(/(\/webhooks\/\d+\/)[\w-]+/g, '$1***')
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]+:)[^\s@]+@/gi, '$1***@')
    .replace(/(Authorization["']?\s*[:=]\s*["']?(?:Token|Bearer|Basic)\s+)[^\s"',]+/gi, '$1***')
}

function passwordsIn(value: string): string[] {
  const [, password] = /^[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:([^\s]+)@/i.exec(value) ?? []
  if (password === undefined) return []
  const decoded = decode(password)
  return decoded === password ? [password] : [password, decoded]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
