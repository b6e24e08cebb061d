import { type Logger, pino } from 'pino';

/** Severities of LOG_LEVEL, least first; `silent` logs nothing. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Lines are written together once there are so many bytes, or when the first has waited so many milliseconds. */
const BLOCK = 4096;
const LONGEST_WAIT = 200;

/**
 * The program's log: JSON lines on standard output, or lines for people when `pretty`.
 *
 * JSON lines are written in the background and flushed at exit. Names of fields are fixed: `trace_id`, `method`, `code`, `reason`,
 * `duration_ms`, `principal`, and `err` for an exception. Nothing is redacted, because no payload and no token is ever logged.
 */
export async function createLogger({ level, pretty }: { level: LogLevel; pretty: boolean }): Promise<Logger> {
  const options = { level, base: null, formatters: { level: (label: string) => ({ level: label }) } };
  if (!pretty) return pino(options, pino.destination({ dest: 1, sync: false, minLength: BLOCK, periodicFlush: LONGEST_WAIT }));
  // In this thread and not as a pino transport: a worker takes longer to start than the rest of the program.
  const { default: prettyStream } = await import('pino-pretty');
  return pino(
    options,
    prettyStream({
      colorize: true,
      translateTime: 'HH:MM:ss.l',
      singleLine: true,
      messageFormat: '{if method}{method} {code} {duration_ms} ms{end}{if msg} {msg}{end}',
      ignore: 'method,code,duration_ms',
      sync: true,
    }),
  );
}
