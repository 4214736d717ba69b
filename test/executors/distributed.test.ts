import { conformance } from './conformance.ts'
import { DISTRIBUTED } from './under-test.ts'

conformance(DISTRIBUTED)
