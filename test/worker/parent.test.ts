import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type Running, startNode } from '../support/cli.ts'
import { hasGroup, ISOLATED_PIPELINES } from '../support/isolated.ts'

const PARENT = fileURLToPath(new URL('../fixtures/isolated-parent.ts', import.meta.url))

function startParent(how: string, silentMs: number, blockMs = 0): Running {
  return startNode([PARENT, ISOLATED_PIPELINES, how, String(silentMs), String(blockMs)])
}

async function childOf(parent: Running): Promise<number> {
  await expect.poll(() => parent.stdout()).toMatch(/pid \d+\n/)
  return Number(/pid (\d+)/.exec(parent.stdout())?.[1])
}

test.each(['forever', 'blocked', 'grandchild'])('kill -9 of the parent ends its children: %s', async (how) => {
  const parent = startParent(how, 25_000)
  const child = await childOf(parent)
  expect(hasGroup(child)).toBe(true)
  parent.process.kill('SIGKILL')
  await expect.poll(() => hasGroup(child)).toBe(false)
  await parent.ended
})

test('a parent that is stopped for longer than the limit loses its children', async () => {
  const parent = startParent('forever', 1_000)
  const child = await childOf(parent)
  parent.process.kill('SIGSTOP')
  await expect.poll(() => hasGroup(child)).toBe(false)
  parent.process.kill('SIGCONT')
  const { stdout } = await parent.ended
  expect(stdout).toContain('its process was killed by SIGKILL')
})

test('a parent whose event loop is blocked keeps its children', async () => {
  const parent = startParent('short', 1_000, 5_000)
  const child = await childOf(parent)
  expect(hasGroup(child)).toBe(true)
  const { stdout } = await parent.ended
  expect(stdout).toContain('"state":"success"')
})
