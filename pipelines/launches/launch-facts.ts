import { visibleText } from 'tminus'
import { LIMITS, webAddress } from 'tminus/connectors/discord'
import type { Launch } from './launch.ts'

/** `Space Launch Complex 40, Cape Canaveral SFS, FL, USA`; null if neither is known. */
export function placeText({ pad, location }: Pick<Launch, 'pad' | 'location'>): string | null {
  return pad && location ? `${pad}, ${location}` : (pad ?? location)
}

/** The web page of the launch: `info_url` of Launch Library if it is set, else the page on spacelaunchnow.me. */
export function detailsUrl({ info_url, slug }: Pick<Launch, 'info_url' | 'slug'>): string | undefined {
  const page = slug ? `https://spacelaunchnow.me/launch/${encodeURIComponent(slug)}` : undefined
  return webAddress(info_url, LIMITS.buttonUrl) ?? webAddress(page, LIMITS.buttonUrl)
}

/** The text on one line, without line breaks, double spaces and invisible characters. Null if it is empty. */
export function singleLine(text: string | null): string | null {
  return (text && visibleText(text).replace(/\s+/g, ' ').trim()) || null
}
