import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'dotenv'
import { describe, expect, test } from 'vitest'
import { settings as launchSettings } from '../pipelines/rocket-launches/settings.ts'
import { parseSettings } from '../src/config.ts'
import { dag } from '../src/dag/dag.ts'
import { runScript } from './support/cli.ts'
import { withFolder } from './support/scratch.ts'

describe('readEnvironment', () => {
  const READ = `
    import { readEnvironment } from 'ROOT/src/config.ts'
    const names = ['A_FILE', 'A_BOTH', 'A_EMPTY', 'A_CLEARED', 'A_PROCESS']
    const pick = (env) => names.map((name) => name in env ? env[name] : null)
    console.log(JSON.stringify([pick(readEnvironment()), pick(readEnvironment({ file: false })), process.env.A_FILE ?? null]))
  `

  test('reads .env of the current folder; the environment overrides it; an empty value is unset', async () => {
    await withFolder(async (cwd) => {
      await writeFile(join(cwd, '.env'), 'A_FILE=file\nA_BOTH=file\nA_EMPTY=\nA_CLEARED=file\n')
      const env = { A_BOTH: 'process', A_CLEARED: '', A_PROCESS: 'process' }
      const { stdout, stderr } = await runScript(READ, { cwd, env })
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toEqual([
        ['file', 'process', null, null, 'process'],
        [null, 'process', null, null, 'process'],
        null,
      ])
    })
  })

  test('.env may be missing', async () => {
    const { stdout, stderr } = await runScript(READ, { env: { A_PROCESS: 'process' } })
    expect([JSON.parse(stdout)[0], stderr]).toEqual([[null, null, null, null, 'process'], ''])
  })
})

describe('.env.example', () => {
  const example = parse(readFileSync(new URL('../.env.example', import.meta.url)))
  const set = Object.fromEntries(Object.entries(example).filter(([, value]) => value !== ''))
  const launches = dag('launches', { settings: launchSettings }, () => {})

  test('names exactly the settings that are read', () => {
    const source = readFileSync(new URL('../src/config.ts', import.meta.url), 'utf8')
    const read = [...source.matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map(([, name]) => name)
    expect(read).toContain('DATABASE_URL')
    expect(Object.keys(example).sort()).toEqual([...read, ...Object.keys(launchSettings)].sort())
  })

  test('unchanged, it is the configuration of an empty environment', () => {
    expect(parseSettings(set, [launches])).toEqual(parseSettings({}, [launches]))
  })

  test('shows every default', () => {
    const defaults = { ...parseSettings({}, [launches]).settings.get('launches') }
    // The test above checks the values; this one checks that each is written out.
    for (const name of Object.keys(defaults)) expect([name, set[name] || 'not shown']).not.toEqual([name, 'not shown'])
    expect(set).toMatchObject({ METADATA_SCHEMA: 'metadata', DATA_DIR: '.data', PIPELINES_DIR: 'pipelines' })
    expect(set).toMatchObject({ EXECUTOR: 'local', CONCURRENCY: '4', WEB_HOST: '127.0.0.1', WEB_PORT: '8080' })
    expect(set).toMatchObject({ LOG_LEVEL: 'info', LOG_FORMAT: 'auto', METRICS: 'off', TRUST_PROXY: 'off' })
  })
})
