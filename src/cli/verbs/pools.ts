import { commandFor } from '../../command-for.ts'
import { listPools, parseSlots, setPool } from '../../operations/pools.ts'
import { answer, say, table } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `pools list`. */
export async function poolsList({ output }: ListOptions): Promise<number> {
  const pools = await withMetadata((metadata) => listPools(metadata))
  return answer(output, pools, () =>
    table(
      ['pool', 'slots', 'used', 'description'],
      pools.map((pool) => [pool.pool, String(pool.slots), String(pool.used), pool.description]),
      { empty: `There are no pools; ${commandFor('pools set NAME SLOTS')} creates one` },
    ),
  )
}

/** `pools set <pool> <slots>`. */
export async function poolsSet(pool: string, slots: string, options: { description?: string }): Promise<number> {
  const count = parseSlots(pool, slots)
  await withMetadata((metadata) => setPool(metadata, pool, count, options.description ?? null))
  say(`Pool ${pool} has ${count} slot${count === 1 ? '' : 's'}`)
  return 0
}
