import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { commandFor, type Place, placeOf } from '../src/command-for.ts'
import { withFolder } from './support/scratch.ts'

test.each<[Place, line: string, typed: string]>([
  ['checkout', 'db migrate', 'npm run cli -- db migrate'],
  ['checkout', 'start', 'npm start'],
  ['checkout', 'pipeline hello', 'npm run pipeline hello'],
  ['checkout', 'dags test hello', 'npm run cli -- dags test hello'],
  ['project', 'db migrate', 'npx tminus db migrate'],
  ['project', 'start', 'npx tminus start'],
  ['project', 'pipeline hello', 'npx tminus pipeline hello'],
  ['container', 'db migrate', 'docker compose exec app tminus db migrate'],
  ['container', 'start', 'docker compose up -d'],
  ['container', 'worker', 'docker compose -f docker-compose.yml -f docker-compose.scale.yml up -d'],
  ['container', 'pipeline hello', 'docker compose exec app tminus pipeline hello'],
])('in a %s, the command line of %s is %s', (place, line, typed) => {
  expect(commandFor(line, { place })).toBe(typed)
})

test('silent output has no npm banner; a command that must run before the start uses docker compose run', () => {
  expect(commandFor('db url', { silent: true, place: 'checkout' })).toBe('npm run -s cli -- db url')
  expect(commandFor('users create NAME', { beforeStart: true, place: 'container' })).toBe(
    'docker compose run --rm --entrypoint tminus app users create NAME',
  )
})

test('the place is recognised by the surrounding files: sources, node_modules, or only a build', async () => {
  await withFolder(async (folder) => {
    const make = async (path: string) => {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), '')
      return join(folder, path)
    }
    await make('checkout/src/cli/main.ts')
    expect(placeOf(await make('checkout/src/command-for.ts'))).toBe('checkout')
    expect(placeOf(await make('checkout/dist/src/command-for.js'))).toBe('checkout')
    expect(placeOf(await make('mine/node_modules/tminus/dist/src/command-for.js'))).toBe('project')
    expect(placeOf(await make('app/dist/src/command-for.js'))).toBe('container')
  })
})
