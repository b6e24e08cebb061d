/** An error as the log has it. */
export interface ErrorForm {
  readonly type: string;
  /** Its own and those of its causes. */
  readonly message: string;
  /** SQLSTATE or errno. */
  readonly code?: string;
  readonly stack: string;
}

/** How many causes are followed: a chain may end in itself. */
const MOST_CAUSES = 10;
/** What stands in the place of something hidden. */
const HIDDEN = '[hidden]';
/** A shorter text would be found in words that have nothing to do with it. */
const SHORTEST = 3;

/**
 * What is written of an error: what it is, what it says, and where it comes from, with its chain of causes. No other property of it is:
 * PostgreSQL's `detail`, a library's `parameters` or `response` hold what callers sent. Nor are the texts in `hidden`, in whatever form they
 * travelled, nor the values that PostgreSQL quotes when it refuses data (SQLSTATE class 22).
 */
export function errorForm(error: unknown, hidden: readonly string[] = []): ErrorForm {
  const chain = chainOf(error);
  const [first] = chain;
  const withoutHidden = hiding(hidden);
  const code = first && 'code' in first && typeof first.code === 'string' ? first.code : undefined;
  return {
    type: first ? first.name : typeof error,
    message: withoutHidden(chain.length > 0 ? chain.map(messageOf).join(': ') : String(error)),
    ...(code !== undefined && { code: withoutHidden(code) }),
    stack: withoutHidden(chain.map(stackOf).join('\ncaused by: ')),
  };
}

function chainOf(error: unknown): readonly Error[] {
  const chain: Error[] = [];
  for (let current = error; Error.isError(current) && chain.length < MOST_CAUSES; current = (current as Error).cause) {
    if (chain.includes(current as Error)) break;
    chain.push(current as Error);
    // Several that failed together have no cause of their own; the first stands for them.
    if (current instanceof AggregateError && current.cause === undefined) {
      chain.push(...chainOf(current.errors[0]).slice(0, MOST_CAUSES - chain.length));
      break;
    }
  }
  return chain;
}

/** data_exception: PostgreSQL repeats the value. */
const isDataException = (error: Error): boolean =>
  'severity' in error && 'code' in error && typeof error.code === 'string' && /^22[0-9A-Z]{3}$/.test(error.code);

const messageOf = (error: Error): string =>
  isDataException(error) ? error.message.replace(/".*"/s, `"${HIDDEN}"`) : error.message;

function stackOf(error: Error): string {
  const stack = String(error.stack ?? `${error.name}: ${error.message}`);
  return isDataException(error) ? stack.replace(error.message, () => messageOf(error)) : stack;
}

/** Texts change their form on their way: folded, normalized, quoted. */
function hiding(hidden: readonly string[]): (text: string) => string {
  const forms = hidden
    .filter((text) => text.length >= SHORTEST)
    .flatMap((text) => [text, text.normalize('NFC'), text.normalize('NFKC'), text.toLowerCase(), text.trim()])
    .flatMap((text) => [text, JSON.stringify(text).slice(1, -1), encodeURIComponent(text.toWellFormed())]);
  // The longer first: one may be a part of another.
  const unique = [...new Set(forms)].filter((text) => text.length >= SHORTEST).sort((one, other) => other.length - one.length);
  return (text) => unique.reduce((shown, form) => shown.replaceAll(form, HIDDEN), text);
}
