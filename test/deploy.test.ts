import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse } from 'dotenv'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { CLOSING_MS, GRACE_MS } from '../src/cli/signals.ts'
import { parseSettings } from '../src/config.ts'
import { openMetadata } from '../src/metadata/metadata.ts'
import { useDatabase } from './support/database.ts'
import { aRun } from './support/factories.ts'
import { withFolder } from './support/scratch.ts'

// biome-ignore lint/suspicious/noExplicitAny: the tests below check the manifests' fields.
type Manifest = any

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDER = join(ROOT, 'docs/deploy')
const MANIFESTS: Manifest[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.yaml'))
  .flatMap((file) => parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((document) => document.toJS()))
const ofKind = (...kinds: string[]) => MANIFESTS.filter(({ kind }) => kinds.includes(kind))
const PODS = ofKind('Job', 'Deployment').map(({ spec }) => spec.template)
const [SETTINGS] = ofKind('ConfigMap')

/** The module of the package with the schema of this kind. */
const moduleOf = ({ apiVersion, kind }: Manifest) =>
  `${apiVersion.startsWith('keda.sh/') ? '@kubernetes-models/keda' : 'kubernetes-models'}/${apiVersion}/${kind}`

describe('docs/deploy', () => {
  test.each(MANIFESTS.map((one) => [one.kind, one.metadata.name, one]))('%s %s is valid', async (kind, _, manifest) => {
    const { [kind]: Model } = await import(moduleOf(manifest))
    expect(() => new Model(manifest).validate()).not.toThrow()
  })

  test('no manifest has an unknown field', async () => {
    // The schemas accept unknown fields. The types of the same packages do not.
    const lines = MANIFESTS.map((manifest, i) => {
      const type = `import('${join(ROOT, 'node_modules', moduleOf(manifest))}').I${manifest.kind}`
      return `export const m${i}: ${type} = ${JSON.stringify(manifest)}`
    })
    await withFolder(async (folder) => {
      const file = join(folder, 'manifests.ts')
      await writeFile(file, lines.join('\n'))
      const options = ['--noEmit', '--skipLibCheck', '--module', 'esnext', '--moduleResolution', 'bundler']
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
      const run = promisify(execFile)(process.execPath, [tsc, ...options, file], { cwd: folder })
      expect((await run.catch((error: { stdout: string }) => error)).stdout).toBe('')
    })
  })

  test('each pod runs without root rights on a read-only file system', () => {
    for (const { spec } of PODS) {
      expect(spec).toMatchObject({ enableServiceLinks: false, automountServiceAccountToken: false })
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 })
      for (const { securityContext, resources } of spec.containers) {
        expect(securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false })
        expect(resources.limits).toHaveProperty('memory')
      }
    }
  })

  test('schedulers and workers have more time to stop than their process takes', () => {
    const graces = ['scheduler', 'worker'].map((name) => podOf(name).spec.terminationGracePeriodSeconds)
    for (const seconds of graces) expect(seconds * 1_000).toBeGreaterThanOrEqual(GRACE_MS + CLOSING_MS + 5_000)
  })

  test('every selector matches a pod, and every volume and variable exists', () => {
    const selectors = ofKind('Deployment', 'PodDisruptionBudget', 'Service').map(
      ({ spec }) => spec.selector.matchLabels ?? spec.selector,
    )
    const labels = PODS.map(({ metadata }) => metadata.labels)
    for (const selector of selectors) expect(labels).toContainEqual(selector)
    const names = ofKind('ConfigMap', 'Secret').map(({ metadata }) => metadata.name)
    for (const { spec } of PODS) {
      const [container] = spec.containers
      const from = container.envFrom.map((one: Manifest) => (one.configMapRef ?? one.secretRef).name)
      const secrets = spec.volumes.flatMap(({ secret }: Manifest) => secret?.secretName ?? [])
      expect(names).toEqual(expect.arrayContaining([...from, ...secrets]))
    }
  })

  test('the settings are known and valid', () => {
    const known = Object.keys(parse(readFileSync(join(ROOT, '.env.example'))))
    const [passwords, environment] = ofKind('Secret').map(({ stringData }) => stringData)
    const { POSTGRES_PASSWORD_FILE, ADMIN_PASSWORD_FILE, ...others } = SETTINGS.data
    expect(known).toEqual(expect.arrayContaining([...Object.keys(SETTINGS.data), ...Object.keys(environment)]))
    const [postgres, admin] = [POSTGRES_PASSWORD_FILE, ADMIN_PASSWORD_FILE].map((path) => passwords[fileName(path)])
    const { config } = parseSettings({ ...others, POSTGRES_PASSWORD: postgres, ADMIN_PASSWORD: admin }, [])
    expect(config).toMatchObject({ executor: 'distributed', web: { port: 8080 }, admin: { password: 'change-me-too' } })
  })
})

const podOf = (name: string) => PODS.find(({ spec }) => spec.containers[0].name === name)
const fileName = (path: string) => path.replace('/run/secrets/tminus/', '')

describe('KEDA', () => {
  const database = useDatabase()
  const [{ spec }] = ofKind('ScaledObject')
  const [{ metadata }] = spec.triggers

  test('counts the tries that wait for a worker or run', async () => {
    const db = openMetadata(database.pool, 'metadata')
    const tasks = { a: 'queued', b: 'queued', c: 'running', d: 'scheduled', e: 'none', f: 'up_for_retry' } as const
    await aRun(db, { dagId: 'now', state: 'running', tasks })
    await aRun(db, { dagId: 'later', state: 'queued', tasks: { a: 'none' } })
    await aRun(db, { dagId: 'before', state: 'success', tasks: { a: 'success' } })
    const { rows } = await database.pool.query(metadata.query)
    expect(rows).toEqual([{ count: 3 }])
  })

  test('uses the database of the settings, and starts a worker for each CONCURRENCY tries', () => {
    const { POSTGRES_HOST, POSTGRES_PORT, POSTGRES_USER, POSTGRES_DB, CONCURRENCY } = SETTINGS.data
    expect(metadata).toMatchObject({
      host: POSTGRES_HOST,
      port: POSTGRES_PORT,
      userName: POSTGRES_USER,
      dbName: POSTGRES_DB,
      targetQueryValue: CONCURRENCY,
    })
    expect(spec.scaleTargetRef.name).toBe(
      ofKind('Deployment').find(({ spec }) => spec.template === podOf('worker')).metadata.name,
    )
  })
})
