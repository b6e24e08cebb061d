/** The code of a system error (`ENOENT`), of PostgreSQL (`57P03`) or of SQLite; undefined when it has none. */
export function errorCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
