import type { Random } from './random.ts'

type Json = Record<string, unknown>

/** One way to damage a launch, in place. */
type Mutation = (launch: Json, random: Random) => void

/** The expected result: stored, rejected, or either. */
export type Fate = 'fits' | 'rejected' | 'either'

const LONG = 'Ünïcode 🚀 '.repeat(1_000).slice(0, 10_000)

/** The other half of the pair is elsewhere or missing. */
const HALVES = ['\uD83D', '\uDE80', '\uDE80\uD83D']

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e300,
  '',
  ' ',
  'text',
  '0',
  [],
  {},
  [null],
  [[[]]],
  { id: {} },
  { toString: 1, length: -1 },
]

export const MUTATIONS: Record<string, readonly [Fate, Mutation]> = {
  'as it is': ['fits', () => undefined],
  'a key less': ['either', (launch, random) => void change(launch, random, (parent, key) => delete parent[key])],
  'a needed key less': [
    'rejected',
    (launch, random) => void delete launch[random.pick(['id', 'name', 'net', 'status'])],
  ],
  'another type': [
    'either',
    (launch, random) => void change(launch, random, (parent, key) => set(parent, key, random.pick(VALUES))),
  ],
  'one level deeper': [
    'either',
    (launch, random) =>
      void change(launch, random, (parent, key) =>
        set(parent, key, random.pick([[parent[key]], { value: parent[key] }])),
      ),
  ],
  'an array for an object': [
    'rejected',
    (launch, random) => {
      const key = random.pick(['status', 'pad', 'mission', 'rocket'])
      set(launch, key, Object.values((launch[key] ?? {}) as Json))
    },
  ],
  'NUL in a text': [
    'either',
    (launch, random) => void inText(launch, random, (text) => `${text.slice(0, 3)}\0${text.slice(3)}`),
  ],
  'half a surrogate pair in a text': [
    'either',
    (launch, random) => void inText(launch, random, (text) => `${text}${random.pick(HALVES)}${text}`),
  ],
  'NUL or half a pair in a key': [
    'fits',
    (launch, random) => set(launch, random.pick(['\0', 'a\0b', ...HALVES]), { 'x\0': 'y\0' }),
  ],
  'escaped backslashes that look like NUL': ['fits', (launch) => set(launch, 'name', '\\u0000 \\ud83d \\\\u0000')],
  'a name of 10,000 characters': ['fits', (launch) => set(launch, 'name', LONG)],
  'a long id': [
    'either',
    (launch, random) => set(launch, 'id', `${launch.id}${'é'.repeat(random.pick([219, 220, 300]))}`),
  ],
  'an odd id': [
    'either',
    (launch, random) => set(launch, 'id', random.pick([7, '', null, [], {}, `\0${launch.id}`, `${launch.id}\uD83D`])),
  ],
  'the year 9999': ['fits', (launch, random) => set(launch, random.pick(TIMES), '9999-12-31T23:59:59Z')],
  'a year that is none': [
    'rejected',
    (launch, random) =>
      set(
        launch,
        random.pick(TIMES),
        random.pick(['0000-01-01T00:00:00Z', '-001-01-01T00:00:00Z', '+12026-01-01T00:00:00Z', '1899-12-31T23:59:59Z']),
      ),
  ],
  'a time that is none': [
    'rejected',
    (launch, random) =>
      set(
        launch,
        random.pick(TIMES),
        random.pick(['', 'soon', '2026-02-30T00:00:00Z', '2026-01-01T25:00:00Z', '2026-01-01', 1_767_225_600, {}]),
      ),
  ],
  'a time elsewhere': [
    'fits',
    (launch, random) =>
      set(launch, random.pick(TIMES), random.pick(['2026-03-01T10:30:00+14:00', '2026-03-01T00:00:00.123456-09:30'])),
  ],
  'huge numbers': [
    'either',
    (launch, random) =>
      void change(launch, random, (parent, key) =>
        set(
          parent,
          key,
          random.pick([1e308, -1e308, 5e-324, 2 ** 31, -(2 ** 31) - 1, 2 ** 63, Number.MAX_SAFE_INTEGER]),
        ),
      ),
  ],
  'a status that is no number': [
    'rejected',
    (launch, random) => set(launch, 'status', { id: random.pick([2 ** 31, 1.5, 1e300, '1', null]), name: 'x' }),
  ],
  'odd coordinates': [
    'either',
    (launch, random) => {
      const odd = [-90, -179.999, '-1.5', ' -33 ', '1e999', '-1e-400', '1e3', 'north', '', 1e308, '٣']
      set(launch, 'pad', { name: 'Pad', latitude: random.pick(odd), longitude: random.pick(odd) })
    },
  ],
  'keys of every object': [
    'fits',
    (launch, random) => {
      for (const key of ['__proto__', 'constructor', 'hasOwnProperty', 'toJSON', 'then'])
        set(random.pick([launch, (launch.status ?? launch) as Json]), key, {
          name: 'from elsewhere',
          id: 99,
          polluted: true,
        })
    },
  ],
  'nested deeply': [
    'either',
    (launch, random) =>
      set(launch, random.pick(['mission', 'extra']), nested(random.pick([50, 98, 99, 100, 101, 5_000]))),
  ],
  wide: [
    'fits',
    (launch) => set(launch, 'extra', Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`key ${n}`, [n]]))),
  ],
  'odd addresses': [
    'fits',
    (launch, random) => {
      const address = random.pick([
        'javascript:alert(1)',
        'http://',
        'https://[::1',
        '//x.example',
        `https://x.example/${'a'.repeat(5_000)}`,
        'https://x.example/\0',
        'HTTPS://X.EXAMPLE/%',
      ])
      set(launch, 'image', typeof launch.image === 'string' ? address : { image_url: address })
    },
  ],
  'several at once': [
    'either',
    (launch, random) => {
      for (let times = 2 + random.int(5); times > 0; times--)
        change(launch, random, (parent, key) =>
          random.pick([() => delete parent[key], () => set(parent, key, random.pick(VALUES))])(),
        )
    },
  ],
}

/** Values in a page instead of a launch. */
export const NO_LAUNCHES: readonly unknown[] = [
  null,
  undefined,
  true,
  0,
  'launch',
  '\uD83D',
  [],
  [[]],
  {},
  { id: null },
]

const TIMES = ['net', 'window_start', 'window_end', 'last_updated'] as const

/** Also `__proto__`, as JSON.parse does. */
function set(parent: Json, key: string, value: unknown): void {
  Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true })
}

/** Anywhere in the launch. */
function change(launch: Json, random: Random, work: (parent: Json, key: string) => unknown): void {
  let parent = launch
  for (;;) {
    const keys = Object.keys(parent)
    if (keys.length === 0) return
    const key = random.pick(keys)
    const child = parent[key]
    if (typeof child !== 'object' || child === null || Object.keys(child).length === 0 || random.int(3) === 0) {
      work(parent, key)
      return
    }
    parent = child as Json
  }
}

function inText(launch: Json, random: Random, spoilt: (text: string) => string): void {
  change(launch, random, (parent, key) => {
    if (typeof parent[key] === 'string') parent[key] = spoilt(parent[key])
    else set(launch, 'name', spoilt(String(launch.name)))
  })
}

function nested(depth: number): unknown {
  let value: unknown = 'deep'
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { value }
  return value
}
