import { z } from 'zod'
import { dag } from '../src/dag/dag.ts'

const run = () => {}

const params = z.object({
  source: z.string().min(3).default('partner').describe('Where the orders come from'),
  rows: z.number().int().min(1).max(1_000).default(400).describe('At most this many'),
  mode: z.enum(['full', 'delta', 'check only']).default('delta').describe('How much to read'),
  since: z.iso.date().optional().describe('Only orders from this day on'),
  until: z.iso.datetime().optional().describe('Only orders before this instant'),
  dry: z.boolean().default(false).describe('Reads and checks, but stores nothing'),
  regions: z.array(z.string()).default(['emea']).describe('Regions of the warehouse'),
})

const DOC = `# What it loads

Orders of the partner, with prices. If \`check_prices\` fails, read the [runbook](https://example.org/runbook).

| table | rows a day |
| --- | --- |
| orders | 9,600 |
| order_lines | 41,000 |
`

/** Its check fails often. */
export const importOrders = dag(
  'import-orders',
  {
    description: 'Orders of the partner, checked and published',
    schedule: '@hourly',
    params,
    tags: ['sales', 'partner'],
    owner: 'data team',
    links: { Runbook: 'https://example.org/runbook', Dashboard: 'https://example.org/orders' },
    doc: DOC,
  },
  ({ task }) => {
    const fetched = task('fetch_orders', { run })
    const prices = task('check_prices', {
      doc: 'Refuses orders without a **price**.',
      upstream: { fetched },
      retries: 2,
      run,
    })
    const customers = task('check_customers', { upstream: { fetched }, run })
    const stored = task('store_orders', { upstream: { prices, customers }, run })
    const publish = task('publish', { upstream: { stored }, run })
    task('tell_finance', { upstream: { publish }, run })
    task('clean_up', { upstream: { stored }, triggerRule: 'all_done', run })
  },
)

/** A mapped task between two groups. */
export const refreshPages = dag(
  'refresh-pages',
  { description: 'One page for each product', schedule: '15 * * * *', timezone: 'Europe/Paris' },
  ({ task, group }) => {
    const prepare = group('prepare', ({ task, group }) => {
      const products = task('read_products', { run })
      group('pictures', ({ task }) => {
        const small = task('shrink', { upstream: { products }, run })
        task('upload', { upstream: { small }, run })
      })
    })
    const list = task('list_pages', { upstream: { prepare }, output: z.array(z.string()), run: () => [] })
    const pages = task.map('render_page', { over: list, run })
    const check = group('check', ({ task }) => {
      task('check_links', { upstream: { pages }, run })
      task('check_prices', { upstream: { pages }, run })
    })
    task('announce', { upstream: { check }, run })
  },
)
