import type { Launch } from '../launches/launch.ts'

/** In lower case. */
export interface Terms {
  include: readonly string[]
  exclude: readonly string[]
}

/** Which launches are announced. */
export interface Filter {
  providers: Terms
  locations: Terms
  orbits: Terms
  keywords: Terms
}

/** `SpaceX, -Starlink`: a list of parts of texts, in any case; `-` before what must not be there. */
export function termsOf(list: string): Terms {
  const terms = list
    .split(',')
    .map((term) => term.trim().toLowerCase())
    .filter((term) => term.replace(/^-\s*/, '') !== '')
  return {
    include: terms.filter((term) => !term.startsWith('-')),
    exclude: terms.filter((term) => term.startsWith('-')).map((term) => term.replace(/^-\s*/, '')),
  }
}

type Filtered = Pick<Launch, 'provider' | 'pad' | 'location' | 'orbit' | 'name' | 'missionName' | 'missionDescription'>

/** Every one of the four has to let it pass. What is not known of a launch is in no list. */
export function passes(launch: Filtered, { providers, locations, orbits, keywords }: Filter): boolean {
  return (
    fits([launch.provider], providers) &&
    fits([launch.pad, launch.location], locations) &&
    fits([launch.orbit], orbits) &&
    fits([launch.name, launch.missionName, launch.missionDescription], keywords)
  )
}

/** One that is included, if any is asked for, and none that is excluded. */
function fits(texts: readonly (string | null)[], { include, exclude }: Terms): boolean {
  const text = texts.map((one) => one?.toLowerCase() ?? '').join('\n')
  const found = (term: string) => text.includes(term)
  return (include.length === 0 || include.some(found)) && !exclude.some(found)
}
