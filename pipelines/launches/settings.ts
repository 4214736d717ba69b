import { z } from 'zod'
import { API_VERSIONS, apiVersion } from './api-version.ts'

/** The environment variables of both launch pipelines. An empty variable counts as unset. */
export const launchLibrarySettings = {
  /** The API's address, up to the version, without a slash at its end. */
  LAUNCH_LIBRARY_URL: z
    .string()
    .default('https://ll.thespacedevs.com/2.3.0')
    .superRefine((value, context) => {
      const message = addressProblem(value)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    // The address of the list, as copied from a browser, is accepted too.
    .transform((value) => value.replace(LIST, '')),
  /** Raises the limit of 15 calls an hour. */
  LAUNCH_LIBRARY_TOKEN: z
    .string()
    .regex(/^[\x21-\x7E]+$/, { error: 'must be only the key, without spaces or line breaks' })
    .optional(),
}

export type LaunchLibrarySettings = z.output<z.ZodObject<typeof launchLibrarySettings>>

/** Matches the text after the version: the path of a list, or only slashes. */
const LIST = /(\/launch(es)?(\/(upcoming|detailed))?)?\/*$/

/** The message never contains the value, which may contain a password. */
function addressProblem(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return 'must be an http(s) address, like https://ll.thespacedevs.com/2.3.0'
  if (url.username !== '' || url.password !== '')
    return 'must not contain a user name or password; set LAUNCH_LIBRARY_TOKEN for a key'
  if (url.search !== '' || url.hash !== '') return 'must not have a query (?…) or a fragment (#…)'
  const version = apiVersion(url)
  if (version === undefined) return `must have a version of the API in its path: ${API_VERSIONS.join(', ')}`
  return url.pathname.replace(LIST, '').endsWith(`/${version}`)
    ? undefined
    : `must end with the version of the API, /${version}`
}
