import type { SampleLaunch } from './launches.ts'

/**
 * Puts a sample launch in the shape of an API version. 2.4.0 has variants of each image and several countries of each
 * provider. For versions before 2.3.0 the sample has no shape and stays as it is.
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
