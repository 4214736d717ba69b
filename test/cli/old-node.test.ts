import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { withFolder } from '../support/scratch.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

/** Starts node like npm's scripts, but without tsx, which would fail first. */
async function startWith(version: string, ...args: string[]) {
  let ended: { code: unknown; stdout: string; stderr: string } | undefined
  await withFolder(async (folder) => {
    const preload = join(folder, 'preload.cjs')
    const versions = `{ ...process.versions, node: '${version}' }`
    await writeFile(preload, `Object.defineProperty(process, 'versions', { value: ${versions} })`)
    ended = await new Promise((resolve) => {
      const all = ['--conditions=tminus-source', '--require', preload, ...args]
      execFile(process.execPath, all, { cwd: ROOT }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      )
    })
  })
  return ended
}

describe.concurrent('a Node that is too old', () => {
  test.each(['10.24.1', '16.20.2', '18.20.8', '20.18.3', '21.7.3', '22.11.0'])(
    '%s is refused in one line',
    async (version) => {
      const stderr = `✖ T-minus needs Node.js 20.19 or newer (of Node 22: 22.12 or newer; not Node 21), and this is ${version} (${process.execPath}). Install one from https://nodejs.org or with your package manager\n`
      expect(await startWith(version, 'src/cli/checkout.cjs', 'demo')).toEqual({ code: 2, stdout: '', stderr })
    },
  )

  test('is also refused when main.ts is started directly, as an older systemd unit does', async () => {
    const stderr = expect.stringMatching(/^✖ T-minus needs Node\.js .* and this is 20\.18\.3 /)
    const args = ['--import', 'tsx', 'src/cli/main.ts', 'start']
    expect(await startWith('20.18.3', ...args)).toEqual({ code: 2, stdout: '', stderr })
  })

  test.each(['20.19.0', '20.20.2', '22.12.0', '23.0.0', '24.0.0', '100.1.0'])('%s is not', async (version) => {
    expect(PACKAGE.engines.node).toBe('^20.19.0 || >=22.12.0')
    expect(await startWith(version, 'src/cli/check-node.cjs')).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('every npm script and the bin begin with the check', () => {
    const verbs = Object.entries<string>(PACKAGE.scripts).filter(([, line]) => line.includes('src/cli/'))
    expect(verbs.map(([name]) => name)).toEqual(
      expect.arrayContaining(['cli', 'pipeline', 'demo', 'start', 'scheduler', 'web', 'worker', 'pretest']),
    )
    for (const [name, line] of verbs.filter(([name]) => name !== 'build'))
      expect([name, line]).toEqual([name, expect.stringMatching(/ src\/cli\/(checkout|check-node)\.cjs\b/)])
    expect(PACKAGE.bin.tminus).toBe('dist/src/cli/tminus.cjs')
  })
})
