import type { SampleLaunch } from './launches.ts'

/**
 * Converts sample launches to the form of an API version. In 2.4.0 each image has variants, and each provider may have
 * several countries. Versions before 2.3.0 are not supported: the launches stay unchanged.
 */
export function shaped(version: string): (launch: SampleLaunch) => unknown {
  return version === '2.4.0' ? asIn240 : (launch) => launch
}

function asIn240(launch: SampleLaunch) {
  const { image, launch_service_provider: provider } = launch
  const variants = (address: string) => [{ id: 1, type: { id: 1, name: 'Small' }, image_url: address }]
  return {
    ...launch,
    image: image && { ...image, variants: variants(image.thumbnail_url) },
    launch_service_provider: { ...provider, country: [launch.pad.country, launch.pad.location.country] },
    flightclub_url: null,
  }
}
