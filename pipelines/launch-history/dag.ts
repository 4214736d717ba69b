import { dag } from 'tminus'
import { initializeSchema } from '../launches/initialize-schema.ts'
import { launchLibrarySettings } from '../launches/settings.ts'
import { HistorySummary, loadHistory } from './load-history.ts'
import { Span } from './span.ts'

export default dag(
  'launch-history',
  {
    description: 'Loads all launches ever, as many pages an hour as the quota allows',
    schedule: null,
    maxActiveRuns: 1,
    params: Span,
    // One try reads as many pages as the quota allows. With an API key, it reads all pages.
    defaultArgs: { retries: 3, retryDelay: '30s', executionTimeout: '1h' },
    settings: launchLibrarySettings,
  },
  ({ task }) => {
    const schema = task('initialize_schema', { run: initializeSchema })

    task('load_history', { upstream: { schema }, output: HistorySummary, run: loadHistory })
  },
)
