/** The process's time. With a start it begins there and runs on from it (`CLOCK`, for replays and tests). */
export interface Clock {
  now(): Date
}

export function openClock(start?: Date): Clock {
  const offset = start === undefined ? 0 : start.getTime() - Date.now()
  return { now: () => new Date(Date.now() + offset) }
}
