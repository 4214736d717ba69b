import { fold } from '../../launches/fold.ts'
import type { Launch } from '../../launches/launch.ts'

/** Parts of texts, folded. */
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

/**
 * Parses `SpaceX, -Starlink, "Cape Canaveral, FL"`: parts of texts, separated by commas. Upper and lower case and
 * accents do not matter. `-` excludes a part. Double quotes enclose a part that contains a comma; a double quote inside
 * is written twice.
 *
 * Undefined if a double quote is not closed, or text follows the closing one.
 */
export function parseTerms(list: string): Terms | undefined {
  const parts = [...list.matchAll(PART)]
  if (parts.map(([part]) => part).join('') !== list) return undefined
  const terms = parts.map(([, minus = '', quoted, bare = '']) => {
    const text = quoted === undefined ? bare.trim() : `${minus}${quoted.replaceAll('""', '"')}`
    return { excluded: minus !== '' || (quoted === undefined && text.startsWith('-')), text }
  })
  const texts = (wanted: boolean) =>
    terms.flatMap(({ excluded, text }) => {
      const term = fold(excluded ? text.slice(1) : text).trim()
      return excluded === wanted && term !== '' ? [term] : []
    })
  return { include: texts(false), exclude: texts(true) }
}

/** One part with its comma, in quotes or bare. */
const PART = /(?:\s*(-?)\s*"((?:[^"]|"")*)"\s*|(?!\s*-?\s*")([^,]*))(?:,|$)/gy

type FilteredLaunch = Pick<
  Launch,
  'provider' | 'pad' | 'location' | 'orbit' | 'name' | 'mission_name' | 'mission_description'
>

/** All four filters must match. An unknown text of a launch contains no term. */
export function passes(launch: FilteredLaunch, { providers, locations, orbits, keywords }: Filter): boolean {
  return (
    matches([launch.provider], providers) &&
    matches([launch.pad, launch.location], locations) &&
    matches([launch.orbit], orbits) &&
    matches([launch.name, launch.mission_name, launch.mission_description], keywords)
  )
}

/** At least one included term, if there are any, and no excluded one. */
function matches(texts: readonly (string | null)[], { include, exclude }: Terms): boolean {
  const text = texts.map((one) => fold(one ?? '')).join('\n')
  const found = (term: string) => text.includes(term)
  return (include.length === 0 || include.some(found)) && !exclude.some(found)
}
