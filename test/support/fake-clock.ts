import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const LIBRARY = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path))

/** True if libfaketime is installed (`apt-get install faketime`). */
export const canFakeClock = LIBRARY !== undefined

/** A wall clock for one process, by its environment and a file in this folder. The monotonic clock stays real. */
export function fakeClock(folder: string): { env: Record<string, string>; shift(hours: number): void } {
  const file = join(folder, 'shift')
  const shift = (hours: number) => writeFileSync(file, `${hours < 0 ? '' : '+'}${hours}h`)
  shift(0)
  const env = { FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
  return { env: { LD_PRELOAD: LIBRARY ?? '', ...env }, shift }
}
