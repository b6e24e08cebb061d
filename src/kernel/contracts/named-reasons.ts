/** Reads what the comments of the contracts say of reasons, e.g. `Reasons: USER_NOT_FOUND (NOT_FOUND), LAST_ADMIN and …`. */

/** A reason as a comment names it. */
export interface NamedReason {
  readonly reason: string;
  /** The code in the parentheses that end its list; undefined when there is none. */
  readonly code: string | undefined;
}

const WORD = /\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b|\b[A-Z]{6,}\b/g;

/** The reasons that the comments of a contract name, from its text. */
export function namedReasons(proto: string, codes: ReadonlySet<string>): readonly NamedReason[] {
  return comments(proto).flatMap((comment) => reasonsIn(comment, codes));
}

/**
 * The words in capitals of a comment, less the codes themselves, with the code that stands in parentheses behind them. One word alone counts
 * from six letters on: CONFLICT is a reason, and NFKC is not.
 */
export function reasonsIn(comment: string, codes: ReadonlySet<string>): readonly NamedReason[] {
  const lists = comment.replaceAll(/\s+/g, ' ').split(/(\([A-Z_]+(?:;[^)]*)?\))/);
  return lists.flatMap((text, at) => {
    if (at % 2 === 1) return [];
    const [, code] = /^\(([A-Z_]+)/.exec(lists[at + 1] ?? '') ?? [];
    const words = (text.match(WORD) ?? []).filter((word) => !codes.has(word));
    return words.map((reason) => ({ reason, code }));
  });
}

/** The text of each run of comment lines. */
function comments(proto: string): readonly string[] {
  const runs = proto.match(/(?:^[ \t]*\/\/.*\n)+/gm) ?? [];
  return runs.map((run) => run.replaceAll(/^[ \t]*\/\/ ?/gm, ''));
}
