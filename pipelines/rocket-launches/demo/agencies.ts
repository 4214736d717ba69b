/** Who launches and who flies: facts of common knowledge, in our own words; the ids are Launch Library's. */
export interface Agency {
  id: number
  name: string
  abbrev: string
  type: keyof typeof agencyTypes
  country: keyof typeof countries
  founded: number
  launchers: string
  about: string
}

export const agencyTypes = { Government: 1, Multinational: 2, Commercial: 3, Private: 5 } as const

/** Our own numbers, names, ISO 3166 codes, adjective. */
export const countries = {
  AU: [901, 'Australia', 'AUS', 'Australian'],
  CN: [902, 'China', 'CHN', 'Chinese'],
  DE: [903, 'Germany', 'DEU', 'German'],
  FR: [904, 'France', 'FRA', 'French'],
  GB: [905, 'United Kingdom', 'GBR', 'British'],
  GF: [906, 'French Guiana', 'GUF', 'French Guianese'],
  IN: [907, 'India', 'IND', 'Indian'],
  IT: [908, 'Italy', 'ITA', 'Italian'],
  JP: [909, 'Japan', 'JPN', 'Japanese'],
  KR: [910, 'South Korea', 'KOR', 'South Korean'],
  KZ: [911, 'Kazakhstan', 'KAZ', 'Kazakh'],
  NO: [912, 'Norway', 'NOR', 'Norwegian'],
  NZ: [913, 'New Zealand', 'NZL', 'New Zealander'],
  RU: [914, 'Russia', 'RUS', 'Russian'],
  US: [915, 'United States of America', 'USA', 'American'],
} as const

function agency(
  id: number,
  name: string,
  abbrev: string,
  [type, country, founded]: [Agency['type'], Agency['country'], number],
  launchers: string,
  about: string,
): Agency {
  return { id, name, abbrev, type, country, founded, launchers, about }
}

export const agencies = {
  arianespace: agency(
    115,
    'Arianespace',
    '',
    ['Commercial', 'FR', 1980],
    'Ariane 6',
    'Sells and flies the Ariane rockets from Kourou.',
  ),
  avio: agency(
    159,
    'Avio S.p.A',
    'Avio',
    ['Commercial', 'IT', 1908],
    'Vega C',
    'Builds and flies the Vega rockets near Rome.',
  ),
  blueOrigin: agency(
    141,
    'Blue Origin',
    'BO',
    ['Commercial', 'US', 2000],
    'New Shepard | New Glenn',
    'Flies people to the edge of space from Texas and heavy payloads from Florida.',
  ),
  casc: agency(
    88,
    'China Aerospace Science and Technology Corporation',
    'CASC',
    ['Government', 'CN', 1999],
    'Long March',
    'The main contractor of the Chinese space programme, maker of the Long March rockets (长征).',
  ),
  esa: agency(
    27,
    'European Space Agency',
    'ESA',
    ['Multinational', 'FR', 1975],
    'Ariane | Vega',
    'Spends what its member states pool on science, navigation and Earth observation.',
  ),
  firefly: agency(
    265,
    'Firefly Aerospace',
    'FA',
    ['Commercial', 'US', 2014],
    'Alpha',
    'A Texan maker of small rockets and lunar landers.',
  ),
  galacticEnergy: agency(
    1021,
    'Galactic Energy',
    'GE',
    ['Commercial', 'CN', 2018],
    'Ceres-1',
    'A Beijing company with a small solid rocket that also flies from ships.',
  ),
  gilmour: agency(
    188,
    'Gilmour Space Technologies',
    '',
    ['Private', 'AU', 2012],
    'Eris',
    'Builds a hybrid rocket on the Gold Coast and its spaceport in Queensland.',
  ),
  isar: agency(
    1046,
    'Isar Aerospace',
    'ISAR',
    ['Private', 'DE', 2018],
    'Spectrum',
    'A Munich company that launches from the Norwegian island of Andøya.',
  ),
  isro: agency(
    31,
    'Indian Space Research Organization',
    'ISRO',
    ['Government', 'IN', 1969],
    'PSLV | GSLV | LVM-3',
    'The national space agency of India.',
  ),
  jaxa: agency(
    37,
    'Japan Aerospace Exploration Agency',
    'JAXA',
    ['Government', 'JP', 2003],
    'H3 | Epsilon',
    'The national space agency of Japan.',
  ),
  kari: agency(
    41,
    'Korea Aerospace Research Institute',
    'KARI',
    ['Government', 'KR', 1989],
    'Nuri',
    'Developed the first orbital rocket made in South Korea.',
  ),
  landspace: agency(
    259,
    'LandSpace',
    'LS',
    ['Commercial', 'CN', 2015],
    'Zhuque',
    'The first to reach orbit on methane and oxygen.',
  ),
  mhi: agency(
    98,
    'Mitsubishi Heavy Industries',
    'MHI',
    ['Commercial', 'JP', 1950],
    'H-IIA | H3',
    'Builds the large Japanese rockets and runs their launches.',
  ),
  nasa: agency(
    44,
    'National Aeronautics and Space Administration',
    'NASA',
    ['Government', 'US', 1958],
    'SLS',
    'The civil space agency of the United States.',
  ),
  rfa: agency(
    1045,
    'Rocket Factory Augsburg',
    'RFA',
    ['Private', 'DE', 2018],
    'RFA One',
    'A Bavarian maker of a small staged-combustion rocket.',
  ),
  rocketLab: agency(
    147,
    'Rocket Lab Ltd',
    'RL',
    ['Commercial', 'US', 2006],
    'Electron | Neutron',
    'Launches small satellites from New Zealand and Virginia.',
  ),
  roscosmos: agency(
    63,
    'Russian Federal Space Agency (ROSCOSMOS)',
    'RFSA',
    ['Government', 'RU', 1992],
    'Soyuz | Angara',
    'The state corporation of Russian spaceflight (Роскосмос).',
  ),
  spacex: agency(
    121,
    'SpaceX',
    'SpX',
    ['Commercial', 'US', 2002],
    'Falcon | Starship',
    'Lands and reflies its boosters, and runs the Starlink constellation.',
  ),
  ula: agency(
    124,
    'United Launch Alliance',
    'ULA',
    ['Commercial', 'US', 2006],
    'Atlas | Vulcan',
    'A joint venture of Boeing and Lockheed Martin that launches for the United States government.',
  ),
} as const satisfies Record<string, Agency>

export type AgencyKey = keyof typeof agencies
