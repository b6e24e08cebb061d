/** A processor as one instance sees it. */
export interface Share {
  readonly key: string;
  /** The instance that has it; undefined where nobody has, or somebody who is gone. */
  readonly owner: string | undefined;
}

/** What an instance does about its share. */
export interface Shift {
  readonly take: readonly string[];
  readonly give: readonly string[];
}

/**
 * How instances share processors without a word between them: each takes what is free, up to its part, and gives back what it has more than
 * another. What is free is for those who have least; the others take it when nobody did since they looked last (`freeBefore`).
 */
export function shift(
  shares: readonly Share[],
  { me, alive, freeBefore }: { me: string; alive: readonly string[]; freeBefore: ReadonlySet<string> },
): Shift {
  const countOf = (instance: string): number => shares.filter(({ owner }) => owner === instance).length;
  const mine = shares.filter(({ owner }) => owner === me);
  const least = Math.min(mine.length, ...alive.map(countOf));
  const free = shares.filter(({ owner }) => owner === undefined);
  const fair = Math.ceil(shares.length / Math.max(1, alive.length));
  const takeable = mine.length === least ? free : free.filter(({ key }) => freeBefore.has(key));
  const surplus = free.length === 0 ? Math.floor((mine.length - least) / 2) : 0;
  return {
    take: takeable.slice(0, Math.max(0, fair - mine.length)).map(({ key }) => key),
    give: mine.slice(0, surplus).map(({ key }) => key),
  };
}
