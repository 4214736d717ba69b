/** For a verb of the contract whose part is still to come. */
export function notBuilt(verb: string): number {
  process.stderr.write(`${verb} is not built yet; npm start runs scheduler and executor in one process\n`)
  return 2
}
