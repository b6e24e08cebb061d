/** How long sessions last, in milliseconds. */
export interface SessionLifetime {
  /** From the log-in, however often it is refreshed. */
  readonly maxMs: number;
  /** From the last refresh. */
  readonly idleMs: number;
}
