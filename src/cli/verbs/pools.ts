import { commandFor } from '../../command-for.ts'
import { UsageError } from '../../errors.ts'
import { listPools, setPool } from '../../operations/pools.ts'
import { print, printJson, say, table } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `pools list`. */
export async function poolsList({ output }: ListOptions): Promise<number> {
  const pools = await withMetadata((metadata) => listPools(metadata))
  if (output === 'json') printJson(pools)
  else
    print(
      table(
        ['pool', 'slots', 'used', 'description'],
        pools.map((pool) => [pool.pool, String(pool.slots), String(pool.used), pool.description]),
        { empty: `There are no pools; ${commandFor('pools set NAME SLOTS')} creates one` },
      ),
    )
  return 0
}

/** `pools set <pool> <slots>`. */
export async function poolsSet(pool: string, slots: string, options: { description?: string }): Promise<number> {
  if (!/^\d{1,6}$/.test(slots)) throw new UsageError('slots must be a whole number from 0')
  if (!/^[A-Za-z0-9_.-]{1,250}$/.test(pool))
    throw new UsageError("a pool's name may have letters, digits, '-', '_' and '.'")
  await withMetadata((metadata) => setPool(metadata, pool, Number(slots), options.description ?? null))
  say(`Pool ${pool} has ${slots} slot${Number(slots) === 1 ? '' : 's'}`)
  return 0
}
