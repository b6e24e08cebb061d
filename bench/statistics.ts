/** One value a round, and what they say together. */
export interface Figure {
  readonly rounds: readonly number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Distance of the quartiles as a part of the median. */
  readonly spread: number;
}

/** A spread past which a figure tells too little to be judged. */
export const WIDEST_SPREAD = 0.15;

export function figure(rounds: readonly number[]): Figure {
  const sorted = [...rounds].sort((one, other) => one - other);
  const median = quantile(sorted, 0.5);
  return {
    rounds,
    median,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / median,
  };
}

/** The value at a part of a sorted list, between two of them where it falls so. NaN for an empty list. */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}
