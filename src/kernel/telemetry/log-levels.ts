/** Severities of LOG_LEVEL, least first; `silent` logs nothing. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Of what calls the lines can have a level of their own. */
const CLASSES = ['command', 'query', 'stream'] as const;
export type CallClass = (typeof CLASSES)[number];

/** The least severe lines that are written: at all, and of each class of calls. */
export interface LogLevels {
  readonly level: LogLevel;
  readonly calls: Readonly<Record<CallClass, LogLevel>>;
}

export const DEFAULT_LOG_LEVELS: LogLevels = { level: 'info', calls: { command: 'info', query: 'info', stream: 'info' } };

/** Reads `info`, or `info,query=warn`: a level for all, and others for the lines of some calls. Undefined when it is anything else. */
export function parseLogLevels(text: string): LogLevels | undefined {
  let level: LogLevel | undefined;
  const calls: Partial<Record<CallClass, LogLevel>> = {};
  for (const part of text.split(',').map((one) => one.trim())) {
    const [name = '', value] = part.split('=', 2);
    if (value === undefined && level === undefined && isLevel(name)) level = name;
    else if (value !== undefined && isLevel(value) && isClass(name) && !calls[name]) calls[name] = value;
    else return undefined;
  }
  if (level === undefined) return undefined;
  return { level, calls: { command: level, query: level, stream: level, ...calls } };
}

const isLevel = (text: string): text is LogLevel => (LOG_LEVELS as readonly string[]).includes(text);
const isClass = (text: string): text is CallClass => (CLASSES as readonly string[]).includes(text);
