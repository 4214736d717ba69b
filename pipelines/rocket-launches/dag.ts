import { dag } from 'tminus'
import { initializeSchema } from '../launches/initialize-schema.ts'
import { fetchAndStoreData, StoreSummary } from './fetch-and-store-data.ts'
import { NotifySummary, notifyDiscord } from './notify-discord.ts'
import { params, settings } from './settings.ts'

export default dag(
  'rocket-launches',
  {
    description: 'Upcoming rocket launches into Postgres, the next one onto Discord',
    schedule: '*/5 * * * *', // looks at the API only when it is time
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

    // Also when the fetch failed: what is stored is still worth telling.
    task('notify_discord', { upstream: { stored }, triggerRule: 'all_done', output: NotifySummary, run: notifyDiscord })
  },
)
