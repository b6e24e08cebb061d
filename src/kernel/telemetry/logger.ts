import { type DestinationStream, type Logger, pino } from 'pino';
import { NO_TRACE, traceOfLine } from './active-trace.ts';
import { errorForm } from './error-form.ts';
import { escapedJson, escapedLine, escapedText } from './escaped-text.ts';
import type { LogLevel } from './log-levels.ts';
import { LogOutput } from './log-output.ts';

/** Lines are written together once there are so many bytes, or when the first has waited so many milliseconds. */
const BLOCK = 4096;
const LONGEST_WAIT = 200;
/** What a pipe takes in one piece (pipe(7), PIPE_BUF): lines of processes that write to the same one do not get mixed. */
const ONE_PIECE = 4096;
const STDOUT = 1;

/** What the log writes, and how. */
export interface LoggerOptions {
  /** What LOG_LEVEL says. The lines of calls have levels of their own: see the logging middleware. */
  readonly level: LogLevel;
  readonly pretty: boolean;
  readonly pid?: number | undefined;
}

/** How every line is made. It names the trace that is under way. Of an error nothing is written but what `errorForm` takes. */
export const FORM = {
  mixin: traceOfLine,
  // The lines of calls, most of all, are written outside of what is under way: they are not copied.
  mixinMergeStrategy: (line: object, trace: object): object => (trace === NO_TRACE ? line : { ...trace, ...line }),
  formatters: { level: (label: string) => ({ level: label }) },
  serializers: { err: (error: unknown) => (Error.isError(error) ? errorForm(error) : error) },
};

/**
 * The program's log: JSON lines on standard output, or lines for people when `pretty`.
 *
 * JSON lines are written in the background and flushed at exit; what would command a terminal is an escape in them. Names of fields are fixed: `trace_id`, `span_id`, `method`, `code`, `reason`,
 * `duration_ms`, `principal`, and `err` for an exception. Nothing is redacted, because no payload and no token is ever logged.
 * With a `pid`, each line has it: for processes that share the output.
 *
 * ```ts
 * const logger = await createLogger({ level: 'info', pretty: process.stdout.isTTY });
 * ```
 */
export async function createLogger({ level, pretty, pid }: LoggerOptions): Promise<Logger> {
  const base = pid === undefined ? null : { pid };
  const options = { ...FORM, level, base };
  // Lines of processes that share the output come in pieces that a pipe takes whole.
  const pieces = pid === undefined ? { minLength: BLOCK } : { minLength: ONE_PIECE / 2, maxWrite: ONE_PIECE };
  if (!pretty) return pino(options, written(new LogOutput(STDOUT, { longestWait: LONGEST_WAIT, ...pieces }), escapedJson));
  // In this thread and not as a pino transport: a worker takes longer to start than the rest of the program.
  const { prettyFactory } = await import('pino-pretty');
  const forPeople = prettyFactory({
    colorize: true,
    translateTime: 'HH:MM:ss.l',
    singleLine: true,
    messageFormat: '{if method}{method} {code} {duration_ms} ms{end}{if msg} {msg}{end}',
    ignore: 'method,code,duration_ms',
  });
  const output = new LogOutput(STDOUT, { longestWait: 0, minLength: 1 });
  return pino(
    options,
    written(output, (line) => forPeople(escaped(line))),
  );
}

/** Where pino writes; before the program ends by a fatal error, it has all of it written. */
function written(output: LogOutput, form: (line: string) => string): DestinationStream {
  const stream = { write: (line: string) => output.write(form(line)), flushSync: () => output.flushSync() };
  return stream;
}

/** A line of the log whose texts are fit for a terminal. A stack keeps its lines. */
function escaped(line: string): object {
  return JSON.parse(line, (key, value) => {
    if (typeof value !== 'string') return value;
    return key === 'stack' ? escapedText(value) : escapedLine(value);
  });
}
