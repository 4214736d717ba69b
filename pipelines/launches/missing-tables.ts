/** True for Postgres' errors about a table or column that does not exist: the pipeline has not created it yet. */
export function isMissingTable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === '42P01' || error.code === '42703')
}
