import type { Launch } from '../../pipelines/launches/launch.ts'
import { type Parsed, parseLaunch } from '../../pipelines/launches/parse-launch.ts'

/** A launch of API 2.3.0 in normal mode, shortened. `changes` replace top-level keys. */
export function launch230(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: '00000000-0000-4000-8000-000000000001',
    url: 'https://ll.thespacedevs.com/2.2.0/launch/…/',
    name: 'Falcon 9 Block 5 | Example',
    response_mode: 'normal',
    slug: 'falcon-9-block-5-example',
    status: { id: 1, name: 'Go for Launch', abbrev: 'Go', description: '…' },
    last_updated: '2026-01-10T12:00:00Z',
    net: '2026-02-01T10:30:00Z',
    net_precision: { id: 1, name: 'Minute', abbrev: 'MIN', description: '…' },
    window_start: '2026-02-01T10:30:00Z',
    window_end: '2026-02-01T14:30:00Z',
    image: {
      id: 1,
      name: 'Falcon 9',
      image_url: 'https://images.example/falcon.jpg',
      thumbnail_url: 'https://images.example/small.jpg',
      credit: 'SpaceX',
      license: { id: 1, name: 'Unknown', priority: 9, link: null },
    },
    probability: 90,
    failreason: '',
    launch_service_provider: { id: 121, name: 'SpaceX', abbrev: 'SpX', type: { id: 3, name: 'Commercial' } },
    rocket: {
      id: 1,
      configuration: {
        id: 164,
        name: 'Falcon 9',
        families: [
          { id: 1, name: 'Falcon' },
          { id: 176, name: 'Falcon 9' },
        ],
        full_name: 'Falcon 9 Block 5',
        variant: 'Block 5',
      },
    },
    mission: {
      id: 1,
      name: 'Example',
      type: 'Communications',
      description: 'Two\r\nlines — and more.',
      orbit: { id: 8, name: 'Low Earth Orbit', abbrev: 'LEO' },
    },
    pad: {
      id: 16,
      name: 'Space Launch Complex 4E',
      latitude: 34.632,
      longitude: -120.611,
      location: { id: 11, name: 'Vandenberg SFB, CA, USA' },
    },
    webcast_live: false,
    ...changes,
  }
}

/** A status or precision of Launch Library, which only its id decides. */
export const withId = (id: number) => ({ id, name: '', abbrev: '', description: '' })

/** A launch with the id `id-NAME`, whose window is only its T-0. */
export function launchAt(name: string, net: string, precision = 1, changes: Record<string, unknown> = {}) {
  const window = { window_start: net, window_end: net }
  return launch230({ id: `id-${name}`, name, net, ...window, net_precision: withId(precision), ...changes })
}

/** `count` launches with different ids, an hour apart. */
export function launches230(count: number, changes: Record<string, unknown> = {}): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, index) =>
    launch230({
      id: `00000000-0000-4000-8000-${String(index + 1).padStart(12, '0')}`,
      name: `Launch ${index + 1}`,
      net: new Date(Date.UTC(2026, 1, 1, index)).toISOString().replace('.000Z', 'Z'),
      ...changes,
    }),
  )
}

/** Parses a launch that must match the schema. */
export function parsed(received: unknown, version: Parameters<typeof parseLaunch>[0] = '2.3.0'): Launch {
  const result: Parsed = parseLaunch(version, received)
  if ('launch' in result) return result.launch
  throw new Error(`rejected: ${JSON.stringify(result.issues)}`)
}
