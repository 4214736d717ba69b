import { humanDuration } from 'tminus'

/** The English texts of the page of figures. */
export const FIGURES_EN = {
  title: 'Launch figures',
  link: 'Figures',
  about: 'Launches per month, success by rocket and provider, and slips, from the launches stored here.',
  from: (month: string) => `Launches since ${month}, by UTC.`,
  span: 'Period',
  years: (count: number) => (count === 1 ? '1 year' : `${count} years`),
  outcomes: { success: 'Success', partial: 'Partial failure', failure: 'Failure', open: 'No outcome yet' },
  csv: 'CSV',
  table: 'The same as a table',
  months: {
    title: 'Launches per month',
    chart: (launches: number) => `Launches per month by outcome, ${launches} in all`,
    month: 'Month',
  },
  launches: 'Launches',
  rate: 'Success rate',
  rateAbout: 'A partial failure is no success. Launches without an outcome do not count in the percentage.',
  rockets: { title: 'Success by rocket', name: 'Rocket' },
  providers: { title: 'Success by provider', name: 'Provider' },
  unknown: 'Unknown',
  share: 'Share',
  more: (count: number) => `${count} more in the CSV.`,
  slips: {
    title: 'Slips by provider',
    about:
      'A slip moves T-0 to a later time by 15 minutes or more and keeps its precision. Only launches that this board saw before T-0 count, also upcoming ones.',
    slipped: 'Slipped',
    often: 'Slips per launch',
    median: 'Median delay',
    longest: 'Longest delay',
    bar: 'Share that slipped',
    /** In ms. */
    delay: (ms: number) => humanDuration(ms),
  },
  none: 'No launches of this period',
  noneAbout: 'To load all launches ever:',
  noSlips: 'No launch was seen before its T-0 yet',
  noSlipsAbout: 'This table fills as the pipeline runs.',
}

export type Outcome = keyof typeof FIGURES_EN.outcomes
export type FiguresWords = typeof FIGURES_EN
