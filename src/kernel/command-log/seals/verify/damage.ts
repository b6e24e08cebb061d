import type { SealedValues } from '../canonical-record.ts';
import type { Finding } from './finding.ts';
import { digestsAfterSwap } from './swaps.ts';

/** A record or a seal that has no match. */
export interface Unmatched {
  /** What to report of it alone. */
  readonly finding: Finding;
  /** The digest that was sealed; undefined when there is no seal. */
  readonly digest: string | undefined;
  /** The record as it is; undefined when there is none. */
  readonly values: SealedValues | undefined;
}

/** Every pair of records is looked at, 30 digests each and form: past this many, they are reported one by one. */
const MOST_COMPARED = 64;

/** Damaged records, kept until it can be told which of them were exchanged. */
export class Damage {
  readonly #unmatched: Unmatched[] = [];

  /** Answers what cannot be kept and is to be reported as it is. */
  add(unmatched: readonly Unmatched[]): Finding[] {
    const free = MOST_COMPARED - this.#unmatched.length;
    this.#unmatched.push(...unmatched.slice(0, free));
    return unmatched.slice(free).map(({ finding }) => finding);
  }

  /** What is to be reported of those that were kept. */
  findings(): Finding[] {
    const bySealedDigest = new Map(
      this.#unmatched.flatMap((one) => (one.digest === undefined ? [] : [[one.digest, one] as const])),
    );
    const swaps = new Map<Unmatched, Finding | undefined>();
    for (const [index, one] of this.#unmatched.entries()) {
      for (const other of this.#unmatched.slice(index + 1)) {
        if (!one.values || !other.values) continue;
        const matches = new Set(digestsAfterSwap(one.values, other.values).flatMap((digest) => bySealedDigest.get(digest) ?? []));
        if (matches.size < 2) continue;
        // A record that looked like an inserted one is one of the two that were exchanged.
        for (const record of [one, other]) if (record.digest === undefined) swaps.set(record, undefined);
        for (const match of matches) swaps.set(match, swapped(match.finding, [...matches]));
      }
    }
    return this.#unmatched.flatMap((one) => (swaps.has(one) ? (swaps.get(one) ?? []) : one.finding));
  }
}

function swapped(finding: Finding, matches: readonly Unmatched[]): Finding {
  const others = matches.flatMap((match) => (match.finding === finding ? [] : (match.finding.commandId ?? [])));
  return {
    ...finding,
    kind: 'SWAPPED',
    description: `the record has exchanged its place or its content with ${others.join(', ')}`,
  };
}
