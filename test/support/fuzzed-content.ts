import { type Answers, type Ends, LIST, send } from './fuzzed-answer.ts'

const SHAPE: Ends = ['launch_library_shape']

/** Complete answers that are no list. */
export const CONTENTS: Answers = {
  'a status': [
    [
      'http_status',
      'http_redirect',
      'launch_library_key',
      'launch_library_throttled',
      'launch_library_shape',
      'http_not_json',
    ],
    (socket, { random, token }) => {
      const status = random.pick([
        204, 205, 300, 304, 400, 401, 403, 404, 408, 410, 418, 451, 500, 502, 503, 504, 520, 524, 599, 799, 999,
      ])
      const body = random.pick([
        '',
        '{"detail":"no"}',
        `{"detail":"Invalid token ${token}"}`,
        '<html>',
        `{"detail":{"${token}":1}}`,
        '\0',
      ])
      send(
        socket,
        status === 204 || status === 304 ? '' : body,
        { 'retry-after': random.pick(['', '5', '-1', 'soon', token, '9'.repeat(30)]) },
        status,
      )
    },
  ],
  'a refusal for too many calls': [
    ['launch_library_throttled'],
    (socket, { random, token }) => {
      const detail = random.pick([
        'Request was throttled. Expected available in 625 seconds.',
        `Expected available in ${'9'.repeat(40)} seconds`,
        `no more for ${token}`,
        '',
        7,
      ])
      send(
        socket,
        JSON.stringify({ detail }),
        random.pick([
          {},
          { 'retry-after': '2' },
          { 'retry-after': '9'.repeat(25) },
          { 'retry-after': 'Wed, 21 Oct 2099 07:28:00 GMT' },
        ]),
        429,
      )
    },
  ],
  'a redirect': [
    ['http_redirect'],
    (socket, { random, origin, token }) =>
      send(
        socket,
        '',
        {
          location: random.pick([
            'http://elsewhere.example/',
            `${origin}/other`,
            `//x.example/${token}`,
            `http://${token}@x.example/`,
            '::::',
            '',
            `/?key=${token}`,
          ]),
        },
        random.pick([301, 302, 303, 307, 308]),
      ),
  ],
  'a next page elsewhere': [
    // The client requests the same path at the configured host, so this list never ends.
    ['launch_library_next', 'launch_library_endless'],
    (socket, { random, origin, target, token }) => {
      const next = random.pick([
        'http://elsewhere.example/2.3.0/launches/upcoming/',
        `${origin}/`,
        `${origin.replace('//', `//user:${token}@`)}${target}`,
        'file:///etc/passwd',
        `${origin}/elsewhere${target}`,
        'javascript:0',
        `https://x.example/?${token}`,
      ])
      send(socket, JSON.stringify({ ...LIST, next }))
    },
  ],
  'the same next page for ever': [
    ['launch_library_endless'],
    (socket, { origin, target }) => send(socket, JSON.stringify({ ...LIST, next: `${origin}${target}` })),
  ],
  'next pages without end': [
    ['launch_library_endless'],
    (socket, { origin, target, time }) =>
      send(
        socket,
        JSON.stringify({ count: 1, results: [], next: `${origin}${target.split('?')[0]}?offset=${time + 1}` }),
      ),
  ],
  'another shape': [
    SHAPE,
    (socket, { random }) =>
      send(
        socket,
        random.pick([
          'null',
          '0',
          '"list"',
          '[]',
          '{}',
          '{"results":null}',
          '{"results":{}}',
          '{"results":"x"}',
          '{"results":[],"next":7}',
          '{"results":[],"count":-1}',
          '{"results":[],"count":1e300}',
          '{"detail":"no"}',
          '{"__proto__":{"results":[]}}',
        ]),
      ),
  ],
  'no JSON': [
    ['http_not_json'],
    (socket, { random }) =>
      send(
        socket,
        random.pick([
          '',
          ' ',
          '<!doctype html><title>x</title>',
          'OK',
          '{',
          '{"results":[}',
          "{'results':[]}",
          '\xff\xfe\0',
          'NaN',
          '[1,]',
          '{"results":[]}}',
        ]),
      ),
  ],
  'nested without end': [
    ['http_not_json', 'launch_library_shape'],
    (socket, { random }) => send(socket, random.pick(['[', '{"a":', '[[{"a":']).repeat(40_000)),
  ],
}
