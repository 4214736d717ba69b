import { fold } from '../../launches/fold.ts'
import type { Launch } from '../../launches/launch.ts'

/** The terms of one filter, folded for comparison. */
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
 * Parses a list of terms, separated by commas: `SpaceX, -Starlink, "Cape Canaveral, FL"`. Case and accents do not matter.
 * `-` excludes a term. A term with a comma is enclosed in double quotes; a double quote inside it is written twice.
 *
 * Returns undefined if a double quote is not closed, or if text follows the closing quote.
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

/** Matches one term with its comma, in quotes or without. */
const PART = /(?:\s*(-?)\s*"((?:[^"]|"")*)"\s*|(?!\s*-?\s*")([^,]*))(?:,|$)/gy

type FilteredLaunch = Pick<
  Launch,
  'provider' | 'pad' | 'location' | 'orbit' | 'name' | 'mission_name' | 'mission_description'
>

/** True if the launch matches all four filters. A null text contains no term. */
export function passes(launch: FilteredLaunch, { providers, locations, orbits, keywords }: Filter): boolean {
  return (
    matches([launch.provider], providers) &&
    matches([launch.pad, launch.location], locations) &&
    matches([launch.orbit], orbits) &&
    matches([launch.name, launch.mission_name, launch.mission_description], keywords)
  )
}

/** True if the texts contain an included term (if there is one at all) and no excluded term. */
function matches(texts: readonly (string | null)[], { include, exclude }: Terms): boolean {
  const text = texts.map((one) => fold(one ?? '')).join('\n')
  const found = (term: string) => text.includes(term)
  return (include.length === 0 || include.some(found)) && !exclude.some(found)
}
