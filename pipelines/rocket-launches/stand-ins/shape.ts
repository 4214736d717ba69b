import type { SampleLaunch } from '../demo/launches.ts'

/**
 * A sample launch in the shape of a version: 2.4.0 has variants of each image, and several countries of each provider.
 * Older versions than 2.3.0 have another shape altogether, which the samples are not served in.
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
