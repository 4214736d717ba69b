/** What is wrong with a database of that encoding, and what to do; undefined where it is UTF8, which holds every letter. */
export function encodingProblem(database: string, encoding: string): string | undefined {
  if (encoding === 'UTF8') return undefined
  return `Database "${database}" is encoded in ${encoding}, which cannot hold every launch's name; create one in UTF8 (createdb --template=template0 --encoding=UTF8 NAME), name it in the address, and move what is worth keeping by pg_dump`
}
