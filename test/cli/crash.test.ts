import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runCli } from '../support/cli.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'

const KEY = 'sk_live_0123456789abcdef'

/** The output of `dags list` when a pipeline does this while it loads. */
async function loading(statements: string, env: Record<string, string> = {}) {
  const pipelines = await scratchFolder()
  await mkdir(join(pipelines, 'one'))
  await writeFile(join(pipelines, 'package.json'), '{"type": "module"}')
  await writeFile(
    join(pipelines, 'one/dag.ts'),
    `import { dag, secret } from '${join(import.meta.dirname, '../../src/index.ts')}'
     import { z } from '${join(import.meta.dirname, '../../node_modules/zod/index.js')}'
     const key = process.env.STRIPE_KEY
     ${statements}
     export default dag('one', { schedule: null }, ({ task }) => { task('a', { run: () => {} }) })`,
  )
  const options = { env: { PIPELINES_DIR: pipelines, STRIPE_KEY: KEY, ...env }, cwd: pipelines }
  return await runCli(['dags', 'list'], options).finally(() => removeFolder(pipelines))
}

describe('standard error never contains a secret, even when the process crashes', () => {
  test.each([
    ['an error', 'throw new Error("sent " + key)'],
    ['a text', 'throw "sent " + key'],
    ['an object', 'throw { sent: key }'],
    ['a rejection that nothing handles', 'Promise.reject(new Error("sent " + key))'],
    ['a rejection with a text', 'Promise.reject("sent " + key)'],
    ['a cause', 'Promise.reject(new Error("sent", { cause: new Error(key) }))'],
    ['several errors', 'Promise.reject(new AggregateError([new Error(key)], "sent"))'],
    ['fields of an error', 'Promise.reject(Object.assign(new Error("sent"), { key }))'],
  ])('%s, after it is loaded', async (_name, statements) => {
    // During the import another listener would handle the error.
    const { code, stdout, stderr } = await loading(`
      const waiting = setInterval(() => {
        if (process.listenerCount('uncaughtException') > 1) return
        clearInterval(waiting)
        ${statements}
      }, 5)`)
    expect([code, stderr]).toEqual([1, expect.stringMatching(/An uncaught error ended this process:[\s\S]*sent/)])
    expect(stderr + stdout).not.toContain(KEY)
    expect(stderr).toContain('***')
  })

  test.each([
    ['a warning', 'process.emitWarning("sent " + key, { code: "X1", detail: "also " + key })'],
    ['a deprecation', 'process.emitWarning("sent " + key, "DeprecationWarning")'],
    ['what is printed', 'console.error("sent %s", key)'],
    ['bytes', 'process.stderr.write(Buffer.from("sent " + key + "\\n"))'],
  ])('%s, and the process continues', async (_name, statements) => {
    const { code, stdout, stderr } = await loading(statements)
    expect([code, stdout]).toEqual([0, expect.stringContaining('one')])
    expect(stderr).toContain('sent ***')
    expect(stderr).not.toContain(KEY)
  })

  test.each([
    ['at once', 'throw new Error("sent " + key)'],
    [
      'a little later',
      'setImmediate(() => { throw new Error("sent " + key) }); await new Promise((done) => setTimeout(done, 50))',
    ],
  ])('a dag that throws while it is loaded, %s', async (_name, statements) => {
    const { stdout, stderr } = await loading(statements)
    expect(stderr + stdout).toContain('sent ***')
    expect(stderr + stdout).not.toContain(KEY)
  })

  test('a word that commander does not know', async () => {
    for (const args of [['dags', KEY], ['dags', 'list', `--${KEY}`], [KEY]]) {
      const { code, stdout, stderr } = await runCli(args, { env: { STRIPE_KEY: KEY } })
      expect([code, stderr + stdout]).toEqual([2, expect.stringContaining('***')])
      expect(stderr + stdout).not.toContain(KEY)
    }
  })
})
