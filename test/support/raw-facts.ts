// biome-ignore lint/suspicious/noExplicitAny: JSON as it was recorded, read without a schema on purpose
export type RawLaunch = Record<string, any>

/**
 * The recorded columns of a launch as received. Derived from the API's answers and the columns' comments without the
 * pipeline's code, which it checks. `before`: the stored columns of the launch.
 */
export function factsIn(
  version: string,
  raw: RawLaunch,
  before?: Record<string, string | null>,
): Record<string, string | null> {
  const isDetailed = 'vidURLs' in raw || 'vid_urls' in raw
  const configuration = raw.rocket?.configuration
  return {
    name: raw.name,
    net: time(raw.net),
    net_precision: String(version === '2.0.0' || !raw.net_precision ? guessed(version, raw) : raw.net_precision.id),
    status_id: String(raw.status.id),
    window_start: time(raw.window_start),
    window_end: time(raw.window_end),
    provider: text(raw.launch_service_provider?.name),
    rocket: text(configuration?.full_name) ?? text(configuration?.name),
    pad: text(raw.pad?.name),
    location: text(raw.pad?.location?.name),
    mission_name: text(raw.mission?.name),
    mission_type: text(raw.mission?.type),
    mission_description: text(raw.mission?.description),
    orbit: text(raw.mission?.orbit?.name),
    probability: raw.probability === null || raw.probability < 0 ? null : String(raw.probability),
    hold_reason: text(raw.holdreason),
    fail_reason: text(raw.failreason),
    image_url: text(typeof raw.image === 'string' ? raw.image : raw.image?.image_url),
    webcast_url: isDetailed ? webcast(raw.vidURLs ?? raw.vid_urls) : (before?.webcast_url ?? null),
    webcast_live: String(raw.webcast_live ?? false),
  }
}

function text(value: string | null | undefined): string | null {
  return value === undefined || value === null || /^\s*$/.test(value) ? null : value
}

/** Launch Library gives whole seconds, as UTC. */
function time(value: string | null | undefined): string | null {
  return value ? value.replace(/(\+00:00)$/, 'Z') : null
}

function webcast(videos: { url: string; priority: number }[]): string | null {
  const [best] = [...videos].sort((a, b) => a.priority - b.priority)
  return best?.url ?? null
}

/** The precision of a launch that has none: midnight and undetermined means the period that ends that day, or that day. */
function guessed(version: string, { net, status, tbddate, tbdtime }: RawLaunch): number {
  const [, month = '', day = ''] = /^\d+-(\d+)-(\d+)T/.exec(net) ?? []
  const isOpen = tbddate === true || tbdtime === true || status.id === 2
  if (net.includes('T00:00:00') && isOpen) {
    const ends: Record<string, number> = { '03-31': 8, '06-30': 12, '09-30': 10, '12-31': 14 }
    const lastOfMonth = /^(0[13578]|1[02])-31$|^(0[469]|11)-30$|^02-2[89]$/.test(`${month}-${day}`)
    return ends[`${month}-${day}`] ?? (lastOfMonth || tbddate ? 7 : 5)
  }
  if (tbddate) return 7
  return tbdtime || version !== '2.0.0' ? 2 : 1
}
