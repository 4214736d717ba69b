/** Returns the problem with this encoding and its solution; undefined for UTF8, which stores every character. */
export function encodingProblem(database: string, encoding: string): string | undefined {
  if (encoding === 'UTF8') return undefined
  return `Database "${database}" has the encoding ${encoding}, which cannot store every launch's name; create one in UTF8 (createdb --template=template0 --encoding=UTF8 NAME), name it in the address, and move your data with pg_dump`
}
