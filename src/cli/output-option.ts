import { Option } from 'commander'

/** `-o`, of every verb that lists. */
export function outputOption(): Option {
  return new Option('-o, --output <format>', 'how to print it').choices(['table', 'json']).default('table')
}
