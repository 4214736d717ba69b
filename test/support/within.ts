/** For `vi.waitFor`: a long limit, because the machine may be busy; it only ends waits that would never end. */
export const WITHIN = { timeout: 60_000, interval: 20 }
