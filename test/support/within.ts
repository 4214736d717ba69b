/** For `vi.waitFor`: a limit for what never comes, not for what is slow; others may have the machine just now. */
export const WITHIN = { timeout: 60_000, interval: 20 }
