import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^tminus$/, replacement: source('src/index.ts') },
      { find: /^tminus\/db$/, replacement: source('src/db/index.ts') },
      { find: /^tminus\/shell$/, replacement: source('src/shell/index.ts') },
      { find: /^tminus\/web$/, replacement: source('src/web/index.ts') },
      { find: /^tminus\/(connectors|callbacks)\/(.+)$/, replacement: source('src/$1/$2.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/postgres.ts'],
    // Two files at once even on two cores: half of the time they wait for processes of their own.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // For what hangs, not for what is slow: others may have the machine just now.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
})
