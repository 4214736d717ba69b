import { z } from 'zod'
import { discordSettings } from './discord/settings.ts'
import { API_VERSIONS, apiVersion } from './launches/launch.ts'

/** The environment variables of this pipeline, an empty one being unset. */
export const settings = {
  /** Up to and with the version of the API, without a slash at the end. */
  LAUNCH_LIBRARY_URL: z
    .string()
    .default('https://ll.thespacedevs.com/2.3.0')
    .superRefine((value, context) => {
      const message = addressProblem(value)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    // What a browser shows of the list is as good an answer to "where is it?" as the base.
    .transform((value) => value.replace(LIST, '')),
  /** Raises the limit of 15 calls an hour. */
  LAUNCH_LIBRARY_TOKEN: z
    .string()
    .regex(/^[\x21-\x7E]+$/, { error: 'must be the key alone, without spaces or line breaks' })
    .optional(),
  /** Between two scheduled looks: inside an hour of the nearest launch, inside a day, else. In ms once parsed. */
  LAUNCH_LIBRARY_INTERVALS: z
    .string()
    .default('5m,15m,1h')
    .transform((value, context) => {
      const [near, soon, far, ...more] = value.split(',').map((part) => intervalMs(part.trim()))
      if (near !== undefined && soon !== undefined && far !== undefined && more.length === 0)
        return [near, soon, far] as const
      context.addIssue({
        code: 'custom',
        message: 'must be three durations from 1m to 2h (older data is called old on the card), like 5m,15m,1h',
      })
      return z.NEVER
    }),
  ...discordSettings,
}

/** Of a run. */
export const params = z.object({
  /** The whole list, what changed in it since the last time, or whichever is due. */
  sync: z.enum(['auto', 'full', 'incremental']).default('auto'),
})

export type Settings = z.output<z.ZodObject<typeof settings>>

function intervalMs(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,4})(m|h)$/.exec(text) ?? []
  const ms = Number(amount) * (unit === 'h' ? 3_600_000 : 60_000)
  return ms >= 60_000 && ms <= 2 * 3_600_000 ? ms : undefined
}

/** The path of a list, or slashes, behind the version. */
const LIST = /(\/launch(es)?(\/(upcoming|detailed))?)?\/*$/

/** Never repeats the value: it may hold a password. */
function addressProblem(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return 'must be an http(s) address, like https://ll.thespacedevs.com/2.3.0'
  if (url.username !== '' || url.password !== '')
    return 'must not hold a user name or password; a key belongs into LAUNCH_LIBRARY_TOKEN'
  if (url.search !== '' || url.hash !== '') return 'must not have a query (?…) or a fragment (#…)'
  const version = apiVersion(url)
  if (version === undefined) return `must name a version of the API in its path: ${API_VERSIONS.join(', ')}`
  return url.pathname.replace(LIST, '').endsWith(`/${version}`)
    ? undefined
    : `must end with the version of the API, /${version}`
}
