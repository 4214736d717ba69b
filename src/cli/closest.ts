/** For example `; did you mean 'chain'?`; an empty text if no known word is similar. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = closest(word, known)
  return near === undefined ? '' : `; did you mean '${near}'?`
}

/** Finds the known word that contains a misspelt word, or else differs from it by the fewest typing errors. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const wanted = word.toLowerCase()
  const containing = known.find((one) => wanted.length >= 3 && one.toLowerCase().includes(wanted))
  if (containing !== undefined) return containing
  const ranked = known
    .map((one) => ({ one, typos: countTypos(wanted, one.toLowerCase()) }))
    .sort((a, b) => a.typos - b.typos)
  const [best] = ranked
  return best !== undefined && best.typos <= Math.min(3, Math.ceil(wanted.length / 3)) ? best.one : undefined
}

/** Counts the letters that were omitted, added, changed or swapped (optimal string alignment distance). */
function countTypos(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    for (let column = 1; column <= b.length; column++) {
      const changed = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      const swapped =
        a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1] ? (before[column - 2] ?? 0) + 1 : changed
      line.push(Math.min((above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1, changed, swapped))
    }
    before = above
    above = line
  }
  return above[b.length] ?? 0
}
