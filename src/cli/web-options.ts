import type { Setup } from '../app.ts'

/** What the page takes from the setup. */
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
