/** Imported before everything else, so that no error of a file that is read after it is shown with a secret. */
import { readEnvironment } from '../config.ts'
import { scrubber } from '../secrets.ts'
import { guardStderr, scrubStderr } from '../stderr.ts'

guardStderr()
scrubStderr(scrubber(readEnvironment({ file: false })))
try {
  scrubStderr(scrubber(readEnvironment()))
} catch {
  // An environment that cannot be read is reported by the verb.
}
