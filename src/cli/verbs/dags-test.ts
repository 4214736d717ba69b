import { randomBytes } from 'node:crypto'
import { type PipelineOptions, pipeline } from './pipeline.ts'

/**
 * `dags test <dag>`: a normal run, but recorded in a separate schema, which is dropped at the end. The tasks really
 * run, so the data that they write is kept.
 */
export async function dagsTest(dagId: string, options: PipelineOptions): Promise<number> {
  const scratchSchema = `tminus_test_${randomBytes(4).toString('hex')}`
  return await pipeline(dagId, { ...options, scratchSchema })
}
