import { conformance } from './conformance.ts'
import { ONE_SLOT } from './under-test.ts'

conformance(ONE_SLOT)
