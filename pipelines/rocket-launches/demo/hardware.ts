import type { AgencyKey, countries } from './agencies.ts'

/** Rockets, pads and places of the sample launches; the ids are Launch Library's. */
export interface Rocket {
  id: number
  name: string
  fullName: string
  variant: string
  families: readonly string[]
  provider: AgencyKey
}

function rocket(
  provider: AgencyKey,
  id: number,
  fullName: string,
  families: readonly string[],
  { name = fullName, variant = '' } = {},
): Rocket {
  return { id, name, fullName, variant, families, provider }
}

export const rockets = {
  alpha: rocket('firefly', 551, 'Firefly Alpha Block 2', ['Firefly Alpha'], { variant: 'Block 2' }),
  ariane62: rocket('arianespace', 121, 'Ariane 62', ['Ariane', 'Ariane 6'], { variant: '62' }),
  ariane64: rocket('arianespace', 116, 'Ariane 64', ['Ariane', 'Ariane 6'], { variant: '64' }),
  ceres1: rocket('galacticEnergy', 461, 'Ceres-1', ['Ceres'], { variant: 'Ceres-1' }),
  electron: rocket('rocketLab', 26, 'Electron', ['Electron']),
  eris: rocket('gilmour', 460, 'Eris Block 1', ['Eris'], { name: 'Eris', variant: 'Block 1' }),
  falcon9: rocket('spacex', 164, 'Falcon 9 Block 5', ['Falcon', 'Falcon 9'], { name: 'Falcon 9', variant: 'Block 5' }),
  falconHeavy: rocket('spacex', 161, 'Falcon Heavy', ['Falcon'], { variant: 'Heavy' }),
  gslv2: rocket('isro', 168, 'GSLV Mk. II', ['GSLV'], { name: 'GSLV Mk II' }),
  h3: rocket('mhi', 204, 'H3-24', ['H3'], { variant: '24' }),
  longMarch2c: rocket('casc', 61, 'Long March 2C', ['Long March', 'Long March 2'], {
    name: 'Long March 2',
    variant: 'C',
  }),
  longMarch2d: rocket('casc', 17, 'Long March 2D', ['Long March', 'Long March 2'], { variant: 'D' }),
  longMarch5: rocket('casc', 128, 'Long March 5', ['Long March']),
  longMarch6a: rocket('casc', 478, 'Long March 6A', ['Long March'], { variant: 'A' }),
  longMarch7: rocket('casc', 100, 'Long March 7', ['Long March']),
  lvm3: rocket('isro', 172, 'Launch Vehicle Mark-3', ['GSLV'], { name: 'LVM-3' }),
  neutron: rocket('rocketLab', 476, 'Neutron', []),
  newGlenn: rocket('blueOrigin', 138, 'New Glenn', ['New Glenn']),
  newShepard: rocket('blueOrigin', 137, 'New Shepard', []),
  nuri: rocket('kari', 117, 'KSLV-2 Nuri', ['KSLV'], { name: 'Nuri', variant: '2' }),
  pslvXl: rocket('isro', 38, 'PSLV-XL', ['PSLV'], { variant: 'XL' }),
  rfaOne: rocket('rfa', 488, 'RFA One', [], { variant: 'One' }),
  sls: rocket('nasa', 143, 'Space Launch System Block 1', ['Space Launch System'], {
    name: 'Space Launch System (SLS)',
    variant: 'Block 1',
  }),
  soyuz21a: rocket('roscosmos', 24, 'Soyuz 2.1a', ['Soyuz', 'Soyuz-2']),
  soyuz21b: rocket('roscosmos', 134, 'Soyuz 2.1b Fregat-M', ['Soyuz', 'Soyuz-2'], {
    name: 'Soyuz 2.1b/Fregat-M',
    variant: 'Fregat-M',
  }),
  spectrum: rocket('isar', 491, 'Spectrum', []),
  starship: rocket('spacex', 522, 'Starship V3', ['Starship'], { name: 'Starship', variant: 'V3' }),
  vegaC: rocket('avio', 127, 'Vega-C', ['Vega']),
  vulcan: rocket('ula', 516, 'Vulcan VC4S', ['Vulcan'], { variant: 'VC4S' }),
  zhuque2e: rocket('landspace', 519, 'Zhuque-2E', ['Zhuque'], { variant: '2E' }),
} as const satisfies Record<string, Rocket>

type Country = keyof typeof countries

/** Id, name, country, time zone, latitude, longitude. */
export const locations = {
  andoya: [161, 'Andøya Spaceport', 'NO', 'Europe/Oslo', 69.108, 15.59],
  baikonur: [15, 'Baikonur Cosmodrome, Republic of Kazakhstan', 'KZ', 'Asia/Qyzylorda', 45.965, 63.305],
  bowen: [181, 'Bowen Orbital Spaceport', 'AU', 'Australia/Brisbane', -19.958, 148.113],
  cape: [12, 'Cape Canaveral SFS, FL, USA', 'US', 'America/New_York', 28.489, -80.578],
  cornRanch: [29, 'Corn Ranch, Van Horn, TX, USA', 'US', 'America/Chicago', 31.423, -104.757],
  guiana: [13, 'Guiana Space Centre, French Guiana', 'GF', 'America/Cayenne', 5.239, -52.768],
  jiuquan: [17, "Jiuquan Satellite Launch Center, People's Republic of China", 'CN', 'Asia/Shanghai', 40.96, 100.29],
  kennedy: [27, 'Kennedy Space Center, FL, USA', 'US', 'America/New_York', 28.524, -80.651],
  mahia: [10, 'Rocket Lab Launch Complex 1, Mahia Peninsula, New Zealand', 'NZ', 'Pacific/Auckland', -39.26, 177.86],
  naro: [9, 'Naro Space Center, South Korea', 'KR', 'Asia/Seoul', 34.432, 127.535],
  saxavord: [157, 'SaxaVord Spaceport', 'GB', 'Europe/London', 60.818, -0.763],
  sriharikota: [14, 'Satish Dhawan Space Centre, India', 'IN', 'Asia/Kolkata', 13.72, 80.23],
  starbase: [143, 'SpaceX Starbase, TX, USA', 'US', 'America/Chicago', 25.997, -97.157],
  taiyuan: [19, "Taiyuan Satellite Launch Center, People's Republic of China", 'CN', 'Asia/Shanghai', 38.849, 111.608],
  tanegashima: [26, 'Tanegashima Space Center, Japan', 'JP', 'Asia/Tokyo', 30.4, 130.97],
  vandenberg: [11, 'Vandenberg SFB, CA, USA', 'US', 'America/Los_Angeles', 34.751, -120.52],
  vostochny: [18, 'Vostochny Cosmodrome, Siberia, Russian Federation', 'RU', 'Asia/Yakutsk', 51.884, 128.334],
  wallops: [21, 'Wallops Flight Facility, Virginia, USA', 'US', 'America/New_York', 37.85, -75.47],
  wenchang: [8, "Wenchang Space Launch Site, People's Republic of China", 'CN', 'Asia/Shanghai', 19.614, 110.951],
  xichang: [16, "Xichang Satellite Launch Center, People's Republic of China", 'CN', 'Asia/Shanghai', 28.246, 102.027],
} as const satisfies Record<string, readonly [number, string, Country, string, number, number]>

/** Id, name, location, latitude, longitude. */
export const pads = {
  andoyaPad: [51, 'Orbital Launch Pad', 'andoya', 69.1084, 15.5895],
  area4: [22, 'Launch Area 4 (SLS-2 / 603)', 'jiuquan', 40.9606, 100.2983],
  area95a: [21, 'Launch Area 95A', 'jiuquan', 40.9691, 100.3433],
  area96a: [9, 'Launch Area 96A', 'jiuquan', 40.9149, 100.2455],
  cornRanchPad: [90, 'West Texas Suborbital Launch Site/ Corn Ranch', 'cornRanch', 31.4229, -104.7571],
  ela4: [67, 'Ariane Launch Area 4', 'guiana', 5.2563, -52.7868],
  elv: [34, 'Ariane Launch Area 1 (ELV)', 'guiana', 5.236, -52.775],
  erisPad: [238, 'Eris Pad', 'bowen', -19.9582, 148.113],
  firstPad: [50, 'Satish Dhawan Space Centre First Launch Pad', 'sriharikota', 13.733, 80.235],
  fredo: [205, 'Launch Pad Fredo', 'saxavord', 60.8174, -0.7627],
  lc1b: [185, 'Rocket Lab Launch Complex 1B', 'mahia', -39.2628, 177.8645],
  lc3Wallops: [234, 'Rocket Lab Launch Complex 3 (Launch Area 0 D)', 'wallops', 37.8322, -75.49],
  lc3Xichang: [66, 'Launch Complex 3 (LC-3/LA-1)', 'xichang', 28.2472, 102.0292],
  lc9a: [200, 'Launch Complex 9A', 'taiyuan', 38.8583, 111.5802],
  lc36a: [121, 'Launch Complex 36A', 'cape', 28.4706, -80.5422],
  lc39a: [87, 'Launch Complex 39A', 'kennedy', 28.6082, -80.6043],
  lc39b: [4, 'Launch Complex 39B', 'kennedy', 28.6271, -80.621],
  lc101: [175, '101', 'wenchang', 19.6143, 110.951],
  lc201: [176, '201', 'wenchang', 19.6144, 110.9489],
  lp2: [209, 'Yoshinobu Launch Complex LP-2', 'tanegashima', 30.4009, 130.9756],
  naroPad: [192, 'LC-2', 'naro', 34.4319, 127.5351],
  olp2: [235, 'Orbital Launch Pad 2', 'starbase', 25.9968, -97.158],
  secondPad: [82, 'Satish Dhawan Space Centre Second Launch Pad', 'sriharikota', 13.7199, 80.2304],
  site1s: [83, 'Cosmodrome Site 1S', 'vostochny', 51.8844, 128.3339],
  site31: [20, '31/6', 'baikonur', 45.996, 63.564],
  slc2w: [39, 'Space Launch Complex 2W', 'vandenberg', 34.7556, -120.6224],
  slc4e: [16, 'Space Launch Complex 4E', 'vandenberg', 34.632, -120.611],
  slc40: [80, 'Space Launch Complex 40', 'cape', 28.5619, -80.5774],
  slc41: [29, 'Space Launch Complex 41', 'cape', 28.5834, -80.583],
} as const satisfies Record<string, readonly [number, string, keyof typeof locations, number, number]>

export type RocketKey = keyof typeof rockets
export type PadKey = keyof typeof pads
