/** The code of an error: a SQLSTATE of PostgreSQL, or that of a system error such as ECONNREFUSED. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
