/** The process's clock. With `start` (the setting CLOCK, for replays and tests) it begins at that instant and runs on. */
export interface Clock {
  now(): Date
}

export function openClock(start?: Date): Clock {
  const offset = start === undefined ? 0 : start.getTime() - Date.now()
  return { now: () => new Date(Date.now() + offset) }
}
