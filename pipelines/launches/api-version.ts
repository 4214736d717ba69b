export const API_VERSIONS = ['2.0.0', '2.2.0', '2.3.0', '2.4.0'] as const
export type ApiVersion = (typeof API_VERSIONS)[number]

/**
 * The API version in the path of an address; undefined for an unknown version. Do not pass the `url` inside a launch: it
 * may name another version than the requested one.
 */
export function apiVersion(url: string | URL): ApiVersion | undefined {
  const segments = URL.canParse(String(url)) ? new URL(url).pathname.split('/') : []
  return API_VERSIONS.find((version) => segments.includes(version))
}
