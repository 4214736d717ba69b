import { dag } from 'tminus'
import { initializeSchema } from '../launches/initialize-schema.ts'
import { fetchAndStoreData, StoreSummary } from './fetch-and-store-data.ts'
import { NotifySummary, notifyDiscord } from './notify-discord.ts'
import { params, settings } from './settings.ts'

export default dag(
  'rocket-launches',
  {
    description: 'Upcoming rocket launches into Postgres, the next one onto Discord',
    schedule: '*/5 * * * *', // most ticks skip the fetch: see LAUNCH_LIBRARY_INTERVALS
    maxActiveRuns: 1,
    defaultArgs: { retries: 3, retryDelay: '30s', executionTimeout: '5m' },
    params,
    settings,
    board: () => import('./board.tsx'),
    commands: () => import('./commands.ts'),
  },
  ({ task }) => {
    const schema = task('initialize_schema', { run: initializeSchema })

    const stored = task('fetch_and_store_data', { upstream: { schema }, output: StoreSummary, run: fetchAndStoreData })

    // Runs also after a failed fetch: the stored launches may still need a message.
    task('notify_discord', { upstream: { stored }, triggerRule: 'all_done', output: NotifySummary, run: notifyDiscord })
  },
)
