import { conformance } from './conformance.ts'
import { LOCAL } from './under-test.ts'

conformance(LOCAL)
