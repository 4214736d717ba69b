import { Session } from 'node:inspector'
import { IDENTIFY } from '../pulse.ts'

const PAUSED_WITHIN_MS = 1_000

/**
 * Pauses the main thread for a moment, as a debugger would. The event's listener runs in the async context of the
 * paused code, so it knows the try of this code. Resolves without a result if the main thread is blocked outside
 * JavaScript.
 */
export async function identifyMainThread(): Promise<void> {
  const session = new Session()
  session.connectToMainThread()
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, PAUSED_WITHIN_MS)
    session.on('Debugger.paused', () =>
      session.post('Runtime.evaluate', { expression: `process.emit('${IDENTIFY}')` }, () => {
        clearTimeout(timer)
        resolve()
      }),
    )
    session.post('Debugger.enable')
    session.post('Debugger.pause')
  })
  session.post('Debugger.resume')
  session.post('Debugger.disable')
  session.disconnect()
}
