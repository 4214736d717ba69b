/** Takes the given secrets, and what looks like one, out of a text. */
export type Scrub = (text: string) => string

const SECRET_NAME = /TOKEN|SECRET|PASSWORD|WEBHOOK|API_KEY/

/** Shorter values would tear holes into ordinary words. */
const SHORTEST = 6

/** Reads secrets out of the environment by the names of its variables, and out of any address in it. */
export function scrubber(env: Readonly<Record<string, string | undefined>>): Scrub {
  const secrets = new Set<string>()
  for (const [name, value] of Object.entries(env)) {
    if (!value) continue
    if (SECRET_NAME.test(name)) for (const secret of [value, ...value.split(',')]) secrets.add(secret.trim())
    for (const secret of secretsIn(value)) secrets.add(secret)
  }
  const long = [...secrets].filter((secret) => secret.length >= SHORTEST)
  const known = [...new Set(long.flatMap(spellings))].sort((a, b) => b.length - a.length)
  return (text) => shapeless(known.reduce((rest, secret) => rest.replaceAll(secret, '***'), text))
}

/** As it is, as JSON writes it, as an address does. */
function spellings(secret: string): string[] {
  return [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret.toWellFormed())]
}

/** What is a secret by its place: a webhook's token, a password or token in an address. */
function shapeless(text: string): string {
  return text
    .replace(/(\/webhooks\/\d+\/)[\w-]+/g, '$1***')
    .replace(/(\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@"'<>]*:)(?!PASSWORD@)[^\s/@"'<>\\]+@/gi, '$1***@')
    .replace(/([?&](?:password|token)=)[^\s&#"'<>\\]+/gi, '$1***')
    .replace(/(Authorization["']?\s*[:=]\s*["']?(?:Token|Bearer|Basic)\s+)[^\s"',]+/gi, '$1***')
}

/** Passwords of an address, also of one that is not well formed, and the token of a webhook's. */
function secretsIn(value: string): string[] {
  const [, address] = /^\s*[a-z][a-z0-9+.-]*:\/\/(.+)/is.exec(value) ?? []
  if (address === undefined) return []
  const places = [
    /^[^:/@]*:([^/?#]+)@/, // up to the last @ before the path
    /^[^:/@]*:(.+)@/s, // up to the last @ of all, where the password has a / in it
    /[?&]password=([^&#]+)/i,
    /\/webhooks\/\d+\/([\w-]+)/,
  ]
  const found = places.flatMap((place) => place.exec(address)?.[1] ?? [])
  return [...found, ...found.map(decode)]
}

/** Leaves a % that encodes nothing as it is. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded)
    } catch {
      return encoded
    }
  })
}
