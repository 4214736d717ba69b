import { Option } from 'commander'

/** `-o`, for every verb that lists something. */
export function outputOption(): Option {
  return new Option('-o, --output <format>', 'format of the answer').choices(['table', 'json']).default('table')
}
