/** Imported before all other modules, so that an error in one of them is printed without secrets. */
import { readEnvironment } from '../config.ts'
import { scrubber } from '../secrets.ts'
import { guardStderr, scrubStderr } from '../stderr.ts'

guardStderr()
scrubStderr(scrubber(readEnvironment({ file: false })))
try {
  scrubStderr(scrubber(readEnvironment()))
} catch {
  // The verb reads the environment too, and reports the error.
}
