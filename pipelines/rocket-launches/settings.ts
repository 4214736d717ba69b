import { webAddress } from 'tminus/connectors/discord'
import { z } from 'zod'
import { launchLibrarySettings } from '../launches/settings.ts'
import { channelsFile } from './discord/channels-file.ts'
import { discordSettings } from './discord/settings.ts'

/** The environment variables of this pipeline. An empty variable counts as unset. */
export const settings = {
  ...launchLibrarySettings,
  /** Intervals of scheduled requests, if the nearest launch is within an hour, within a day, or later. Parsed to ms. */
  LAUNCH_LIBRARY_INTERVALS: z
    .string()
    .default('5m,15m,1h')
    .transform((value, context) => {
      const [near, soon, far, ...more] = value.split(',').map((part) => intervalMs(part.trim()))
      if (near !== undefined && soon !== undefined && far !== undefined && more.length === 0)
        return [near, soon, far] as const
      context.addIssue({
        code: 'custom',
        message: 'must be three durations from 1m to 2h, like 5m,15m,1h; the card marks data older than 2h as old',
      })
      return z.NEVER
    }),
  ...discordSettings,
  DISCORD_CHANNELS_FILE: channelsFile,
  /** Where readers open the web server. Cards then link to the launch's page on the board. */
  PUBLIC_URL: z
    .string()
    .refine((value) => webAddress(value) !== undefined && !/[?#]/.test(value), {
      error: 'must be an http(s) address without ? and #, like https://launches.example',
    })
    .transform((value) => value.trim().replace(/\/+$/, ''))
    .optional(),
}

/** Parameters of a run. */
export const params = z.object({
  /** `full`: request the whole list. `incremental`: request its changes. `auto`: request the one that is due. */
  sync: z.enum(['auto', 'full', 'incremental']).default('auto'),
})

export type Settings = z.output<z.ZodObject<typeof settings>>

function intervalMs(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,4})(m|h)$/.exec(text) ?? []
  const ms = Number(amount) * (unit === 'h' ? 3_600_000 : 60_000)
  return ms >= 60_000 && ms <= 2 * 3_600_000 ? ms : undefined
}
