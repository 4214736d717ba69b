import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^tminus$/, replacement: source('src/index.ts') },
      { find: /^tminus\/db$/, replacement: source('src/db/index.ts') },
      { find: /^tminus\/web$/, replacement: source('src/web/index.ts') },
      { find: /^tminus\/(connectors|callbacks)\/(.+)$/, replacement: source('src/$1/$2.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/postgres.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
