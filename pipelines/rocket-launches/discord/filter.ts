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
 * `SpaceX, -Starlink, "Cape Canaveral, FL"`: a list of parts of texts, in any case and with or without accents; `-`
 * before what must not be there; double quotes around a part that holds a comma, a double quote in it doubled.
 * Undefined where a double quote is not closed, or something stands behind the closing one.
 */
export function termsOf(list: string): Terms | undefined {
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

/** Up to and with its comma: in quotes, or as it is. */
const PART = /(?:\s*(-?)\s*"((?:[^"]|"")*)"\s*|(?!\s*-?\s*")([^,]*))(?:,|$)/gy

type Filtered = Pick<
  Launch,
  'provider' | 'pad' | 'location' | 'orbit' | 'name' | 'mission_name' | 'mission_description'
>

/** Every one of the four has to let it pass. What is not known of a launch is in no list. */
export function passes(launch: Filtered, { providers, locations, orbits, keywords }: Filter): boolean {
  return (
    fits([launch.provider], providers) &&
    fits([launch.pad, launch.location], locations) &&
    fits([launch.orbit], orbits) &&
    fits([launch.name, launch.mission_name, launch.mission_description], keywords)
  )
}

/** One that is included, if any is asked for, and none that is excluded. */
function fits(texts: readonly (string | null)[], { include, exclude }: Terms): boolean {
  const text = texts.map((one) => fold(one ?? '')).join('\n')
  const found = (term: string) => text.includes(term)
  return (include.length === 0 || include.some(found)) && !exclude.some(found)
}
