import { trigramsOf, type UserSample, WORDS } from './user-sample.ts';

/** How many users are collected and sorted at most: by estimate, since their number is not known before. */
const MOST_COLLECTED = 5_000;
/** A user who is collected, from anywhere in the table, costs as much as so many who are passed over in the index. */
const COLLECTED_COST = 5;
/** The longest part of a word that the index is asked for: it reads all users who have one of its trigrams. */
const LONGEST_PART = 7;
/** A trigram that more have does not help to find a few. */
const MOST_SHARE = 0.02;

/**
 * The part of a searched text by which the index of trigrams is asked for those who may match. Undefined: they are too many, or there is no such part, or it costs less to pass over
 * users in order until `wanted` match.
 *
 * The index reads all entries of each trigram that it is asked for, so it is asked for the rarest ones.
 */
export function collectedPart(
  sample: UserSample,
  { search, wanted, mostPassed }: { search: string; wanted: number; mostPassed: number },
): string | undefined {
  const part = sample.total <= mostPassed ? search : rarestPart(sample, search);
  if (trigramsOf(part).length === 0) return undefined;
  const collected = estimate(sample, trigramsOf(part));
  const passed = Math.min(sample.total, (wanted * sample.total) / estimate(sample, [search]));
  return collected <= MOST_COLLECTED && collected * COLLECTED_COST < passed ? part : undefined;
}

/** How many users have all of the texts. Where nobody in the sample does, half a user is assumed. */
const estimate = (sample: UserSample, texts: readonly string[]): number => (sample.withAll(texts) + 0.5) * sample.weight;

/** The rarest trigram of a text with rare ones beside it. */
function rarestPart(sample: UserSample, search: string): string {
  const most = MOST_SHARE * (sample.total / sample.weight);
  let best = { part: '', users: Number.POSITIVE_INFINITY };
  for (const [word] of search.matchAll(WORDS)) {
    const letters = [...word];
    const users = trigramsOf(word).map((trigram) => sample.withTrigram(trigram));
    const least = Math.min(...users);
    if (least >= best.users) continue;
    let from = users.indexOf(least);
    let end = from + 3;
    const isRare = (index: number): boolean => (users[index] ?? Number.POSITIVE_INFINITY) <= most;
    while (end - from < LONGEST_PART && isRare(end - 2)) end += 1;
    while (end - from < LONGEST_PART && isRare(from - 1)) from -= 1;
    best = { part: letters.slice(from, end).join(''), users: least };
  }
  return best.part;
}
