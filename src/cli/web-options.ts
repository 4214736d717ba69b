import type { Setup } from '../app.ts'

/** The parts of the setup that the page needs. */
export function webOptions({ config, loaded, settings, clock, scrub, log }: Setup) {
  return {
    loaded,
    web: config.web,
    settingsOf: (dagId: string) => settings.get(dagId) ?? {},
    now: () => clock.now(),
    scrub,
    log,
  }
}
