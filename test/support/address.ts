/** The same server with another database or password. */
export function address(connectionString: string, changes: { database?: string; password?: string }): string {
  const url = new URL(connectionString)
  if (changes.database !== undefined) url.pathname = `/${changes.database}`
  if (changes.password !== undefined) url.password = changes.password
  return url.href
}
