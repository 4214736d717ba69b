import { conformance } from './conformance.ts'
import { ISOLATED } from './under-test.ts'

conformance(ISOLATED)
