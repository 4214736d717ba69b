import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { codeVersion } from '../src/code-version.ts'
import { withFolder } from './support/scratch.ts'

async function write(folder: string, files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
}

const CODE = { 'etl/dag.ts': 'export default 1', 'etl/tasks/load.ts': 'export const load = 1', 'etl/q.sql': 'select 1' }

test('two folders with the same sources have the same code version, wherever they are', async () => {
  await withFolder(async (folder) => {
    await write(join(folder, 'one'), CODE)
    await write(join(folder, 'two'), Object.fromEntries(Object.entries(CODE).reverse()))
    const version = await codeVersion(join(folder, 'one'))
    expect(version).toMatch(/^[0-9a-f]{16}$/)
    expect(await codeVersion(join(folder, 'two'))).toBe(version)
  })
})

test('a changed, renamed, new or removed source changes the code version', async () => {
  await withFolder(async (folder) => {
    const { 'etl/q.sql': sql, ...withoutSql } = CODE
    const variants = [
      CODE,
      { ...CODE, 'etl/tasks/load.ts': 'export const load = 2' },
      { ...withoutSql, 'etl/r.sql': sql },
      { ...CODE, 'etl/new.json': '{}' },
      { ...CODE, 'etl/new.toml': '' },
      { ...CODE, 'build/dag.ts': 'a pipeline may be called build' },
      withoutSql,
    ]
    for (const [index, files] of variants.entries()) await write(join(folder, String(index)), files)
    const versions = await Promise.all(variants.map((_, index) => codeVersion(join(folder, String(index)))))
    expect(new Set(versions).size).toBe(variants.length)
  })
})

test('packages, build output, dot folders and other files do not change the code version', async () => {
  await withFolder(async (folder) => {
    await write(folder, CODE)
    const before = await codeVersion(folder)
    const others = ['node_modules/x/index.js', 'etl/node_modules/y.js', '.git/a.ts', 'etl/dist/dag.js', 'etl/note.md']
    await write(folder, Object.fromEntries(others.map((name) => [name, 'other'])))
    expect(await codeVersion(folder)).toBe(before)
  })
})

test('files elsewhere count if sources import them by a relative path, also through each other', async () => {
  await withFolder(async (folder) => {
    const pipelines = join(folder, 'pipelines')
    const files = {
      'pipelines/etl/dag.ts': `import { a } from '../../lib/a.js'\nimport '../../node_modules/x.js'`,
      'lib/a.ts': `export * from './b'`,
      'lib/b.ts': 'export const a = 1',
      'lib/unused.ts': '1',
      'node_modules/x.js': '1',
    }
    const versionWith = async (changed: Record<string, string>) => {
      await write(folder, { ...files, ...changed })
      return await codeVersion(pipelines)
    }
    const before = await versionWith({})
    expect(await versionWith({ 'lib/unused.ts': '2', 'node_modules/x.js': '2' })).toBe(before)
    const versions = [
      before,
      await versionWith({ 'lib/a.ts': `export * from './b' //` }),
      await versionWith({ 'lib/b.ts': '2' }),
    ]
    expect(new Set(versions).size).toBe(3)
    await symlink(folder, join(folder, 'elsewhere'))
    await versionWith({})
    expect(await codeVersion(join(folder, 'elsewhere/pipelines'))).toBe(before)
  })
})

test('links that lead back, broken links and files that cannot be read do not stop it', async () => {
  await withFolder(async (folder) => {
    await write(folder, CODE)
    await symlink(folder, join(folder, 'etl', 'again'))
    await symlink(join(folder, 'nowhere'), join(folder, 'etl', 'broken.ts'))
    expect(await codeVersion(folder)).toBe(await codeVersion(folder))
    const computing = codeVersion(folder)
    for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true })
    await computing
  })
})

test('without sources, without the folder or without the time the code version is unknown', async () => {
  await withFolder(async (folder) => {
    expect(await codeVersion(folder)).toBeNull()
    await write(folder, CODE)
    expect(await codeVersion(folder, 0)).toBeNull()
    expect(await codeVersion(join(folder, 'nowhere'))).toBeNull()
  })
})
