import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { runCli, runScript, startCli } from './support/cli.ts'
import { useDatabase } from './support/database.ts'
import { withFolder } from './support/scratch.ts'
import { WITHIN } from './support/within.ts'

const READ = `
  import { readEnvironment } from 'ROOT/src/config.ts'
  const { A_NAME, B_NAME } = readEnvironment()
  console.log(JSON.stringify({ A_NAME, B_NAME }))
`

const utf16 = (text: string) => Buffer.from(text, 'utf16le')
const MARK = '\uFEFF'
const TEXT = "A_NAME=Kin\u00e9is\r\nB_NAME='b # b'\r\n"
/** `#é` in Windows-1252. */
const OLD_COMMENT = Buffer.from([0x23, 0xe9, 0x0a])

describe.concurrent('.env is read', () => {
  test.each([
    ['as PowerShell writes it: UTF-16 little-endian with a mark', utf16(MARK + TEXT)],
    ['in UTF-16 big-endian with a mark', utf16(MARK + TEXT).swap16()],
    ['in UTF-16 little-endian without a mark', utf16(TEXT)],
    ['in UTF-16 big-endian without a mark', utf16(TEXT).swap16()],
    ['in UTF-8 with a mark', Buffer.from(MARK + TEXT)],
    ['in UTF-8', Buffer.from(TEXT)],
    ['with CR alone at the ends of lines', Buffer.from(TEXT.replaceAll('\r\n', '\r'))],
    ['with spaces around names and export before them', " export  A_NAME = Kin\u00e9is \n\tB_NAME ='b # b' "],
    ['where only comments are in an older encoding', Buffer.concat([OLD_COMMENT, Buffer.from(TEXT)])],
  ])('%s', async (_, content) => {
    await withFolder(async (cwd) => {
      await writeFile(join(cwd, '.env'), content)
      const { stdout, stderr } = await runScript(READ, { cwd })
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toEqual({ A_NAME: 'Kin\u00e9is', B_NAME: 'b # b' })
    })
  })
})

describe.concurrent('an unreadable .env is a wrong setting', () => {
  const refusal = async (make: (path: string) => Promise<unknown>) => {
    let stderr = ''
    await withFolder(async (cwd) => {
      await make(join(cwd, '.env'))
      const ended = await runCli(['db', 'status'], { cwd })
      expect([ended.code, ended.stdout]).toEqual([2, ''])
      stderr = ended.stderr.replace(cwd, 'HERE')
    })
    return stderr
  }

  test('a folder', async () => {
    expect(await refusal((path) => mkdir(path))).toBe(
      '✖ .env in HERE cannot be read: it is a folder; make it a file that this user can read\n',
    )
  })

  test.skipIf(process.getuid?.() === 0)('a file of another user', async () => {
    expect(await refusal((path) => writeFile(path, 'A=b').then(() => chmod(path, 0)))).toBe(
      '✖ .env in HERE cannot be read: permission denied; make it a file that this user can read\n',
    )
  })

  test('a file that is not text', async () => {
    const utf32 = Buffer.from([0xff, 0xfe, 0, 0, 0x41, 0, 0, 0, 0x3d, 0, 0, 0])
    expect(await refusal((path) => writeFile(path, utf32))).toBe('✖ .env is not a text file; save it as UTF-8\n')
  })
})

describe('lines of .env without effect', () => {
  const database = useDatabase()
  const LINES = [
    'web_port=9000',
    'Web-Host=0.0.0.0',
    '$env:CONCURRENCY = "hunter2"',
    'set LOG_LEVEL=hunter2',
    '"METRICS"=on',
    'CLOCK=',
    'LOG_FORMAT=json',
    'LOG_FORMAT =json',
    'ADMIN_USER=ada#hunter2',
    "MANY_LINES='first",
    'second',
    "third'",
    '# a comment',
    'DATA_DIR=data # a comment',
  ]
  const WARNINGS = [
    'Line 3 of .env is ignored: it is not NAME=value',
    'Line 4 of .env is ignored: it is not NAME=value',
    'Line 5 of .env is ignored: it is not NAME=value',
    'LOG_FORMAT is set more than once in .env; the last value is used',
    'ADMIN_USER in .env is cut off at its #; put a value with a # in quotes',
    'web_port is not a known setting; did you mean WEB_PORT?',
    'Web-Host is not a known setting; did you mean WEB_HOST?',
    'trust_proxy is not a known setting; did you mean TRUST_PROXY?',
  ]
  const env = () => ({ DATABASE_URL: database.connectionString, ADMIN_PASSWORD: 'a long word', trust_proxy: 'on' })

  test('start, web, pipeline, db migrate and db check report each of them once', async () => {
    await withFolder(async (cwd) => {
      await writeFile(join(cwd, '.env'), LINES.join('\n'))
      const check = await runCli(['db', 'check', '-o', 'json'], { cwd, env: env() })
      const found = JSON.parse(check.stdout) as { name: string; message: string }[]
      expect(found.filter(({ name }) => name === 'settings').map(({ message }) => message)).toEqual(WARNINGS)
      const texts = [check.stdout]
      for (const verb of ['start', 'web']) {
        const running = startCli([verb], { cwd, env: env() })
        await vi.waitFor(() => expect(running.stdout()).toContain('the page is at'), WITHIN)
        running.process.kill('SIGTERM')
        await running.ended
        texts.push(running.stdout())
        expect([verb, warningsIn(running.stdout())]).toEqual([verb, WARNINGS])
      }
      for (const args of [
        ['pipeline', 'chain'],
        ['db', 'migrate'],
      ]) {
        const { code, stderr } = await runCli(args, { cwd, env: env() })
        texts.push(stderr)
        expect([args, code, warningsIn(stderr)]).toEqual([args, 0, WARNINGS])
      }
      expect(texts.join()).not.toContain('hunter2')
    })
  })

  test('reports a value in an older encoding', async () => {
    await withFolder(async (cwd) => {
      await writeFile(join(cwd, '.env'), Buffer.from('ADMIN_PASSWORD=Kin\u00e9is is long\nADMIN_USER=ada', 'latin1'))
      const { stderr } = await runCli(['db', 'migrate'], { cwd, env: { DATABASE_URL: database.connectionString } })
      expect(stderr).toContain('ADMIN_PASSWORD in .env contains bytes that are not UTF-8; save the file as UTF-8')
    })
  })
})

/** The messages of a log in JSON lines. */
function warningsIn(log: string): string[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line)).flatMap(({ level, msg }) => (level === 40 ? [msg] : []))
}
