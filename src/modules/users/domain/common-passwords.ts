import { runLength } from './character-runs.ts';

/**
 * How many guesses find a password, as a power of ten: a lower bound, for an attacker who tries the likely ones first. `context` holds
 * words that the attacker knows of this user, in lower case: they cost no guess.
 */
export type GuessEstimate = (password: string, context?: readonly string[]) => number;

/** Guesses for one common password, as a power of ten, by its text in lower case. */
type Costs = Pick<ReadonlyMap<string, number>, 'get'>;

/**
 * Estimates guesses as zxcvbn does (Wheeler, USENIX Security 2016): a password is cut, in the cheapest way, into common passwords,
 * runs, years and single characters, and the guesses for the parts are multiplied. A part that is repeated costs little more
 * than once. Case, leetspeak, separators between the characters and writing backwards cost an attacker next to nothing.
 *
 * `commonPasswords` come in order, the most common first. `contextWords` are those of the service and of whoever runs it (OWASP ASVS 5.0,
 * 6.2.11): an attacker knows them, and they cost no guess.
 */
export function createGuessEstimate(commonPasswords: Iterable<string>, contextWords: Iterable<string> = []): GuessEstimate {
  const common = costsByRank(commonPasswords);
  for (const word of contextWords) common.set(word.toLowerCase(), 0);
  const longestCommon = Math.max(...[...FAMOUS_PHRASES, ...common.keys()].map(({ length }) => length));
  return (password, context = []) => {
    const own = new Set(context);
    const costs = own.size === 0 ? common : { get: (part: string) => (own.has(part) ? 0 : common.get(part)) };
    const longest = Math.max(longestCommon, ...context.map(({ length }) => length));
    const text = password.toLowerCase();
    const joined = text.replace(/[^\p{L}\p{M}\p{N}]+/gu, '');
    const readings = [text, [...text].reverse().join('')];
    if (joined !== '' && joined !== text) readings.push(joined);
    return Math.min(...readings.map((reading) => cost(reading, costs, longest)));
  };
}

/** Guesses for parts, as powers of ten. */
const CHARACTER_COST = 1;
const RUN_COST = 1.5;
const YEAR_COST = 2;
const FAMOUS_PHRASE_COST = 3;

/** Shorter ones are not worth a look: their characters cost as little. */
const MIN_COMMON_LENGTH = 3;

/** Passphrases that everybody knows. */
const FAMOUS_PHRASES = [
  'correcthorsebatterystaple',
  'thequickbrownfoxjumpsoverthelazydog',
  'maytheforcebewithyou',
  'tobeornottobethatisthequestion',
  'allyourbasearebelongtous',
  'loremipsumdolorsitamet',
  'itwasthebestoftimes',
  'nevergonnagiveyouup',
];

function costsByRank(commonPasswords: Iterable<string>): Map<string, number> {
  const costs = new Map<string, number>();
  let rank = 1;
  for (const password of commonPasswords) {
    rank++;
    const text = password.toLowerCase();
    if (text.length >= MIN_COMMON_LENGTH && !costs.has(text)) costs.set(text, Math.log10(rank));
  }
  for (const phrase of FAMOUS_PHRASES) costs.set(phrase, FAMOUS_PHRASE_COST);
  return costs;
}

/** The cheapest way to cut the text into parts, found from its start to its end. */
function cost(text: string, costs: Costs, longest: number): number {
  const period = smallestPeriod(text);
  if (period < text.length) return cost(text.slice(0, period), costs, longest) + Math.log10(text.length / period);

  const spellings = spellingsOf(text);
  const cheapest = new Array<number>(text.length + 1).fill(Infinity);
  cheapest[0] = 0;
  const reach = (end: number, total: number) => {
    cheapest[end] = Math.min(cheapest[end] ?? Infinity, total);
  };
  for (let start = 0; start < text.length; start++) {
    const before = cheapest[start] ?? Infinity;
    reach(start + 1, before + CHARACTER_COST);
    for (let end = start + runLength(text, start); end > start; end--) reach(end, before + RUN_COST);
    if (isYear(text, start)) reach(start + 4, before + YEAR_COST);
    for (let end = start + MIN_COMMON_LENGTH; end <= Math.min(text.length, start + longest); end++) {
      const word = cheapestSpelling(spellings, start, end, costs);
      if (word === Infinity) continue;
      const part = text.slice(start, end);
      let repetitions = 1;
      do reach(start + repetitions * part.length, before + word + Math.log10(repetitions++));
      while (text.startsWith(part, start + (repetitions - 1) * part.length));
    }
  }
  return cheapest[text.length] ?? Infinity;
}

function cheapestSpelling(spellings: readonly string[], start: number, end: number, costs: Costs): number {
  let cheapest = Infinity;
  for (const spelling of spellings) cheapest = Math.min(cheapest, costs.get(spelling.slice(start, end)) ?? Infinity);
  return cheapest;
}

/** The length of what the text repeats at least twice, the last time perhaps in part; the length of the text when it does not. */
function smallestPeriod(text: string): number {
  for (let period = 1; period <= text.length / 2; period++) {
    if (text.startsWith(text.slice(period))) return period;
  }
  return text.length;
}

const isYear = (text: string, start: number): boolean => /^(?:19|20)[0-9]{2}/.test(text.slice(start, start + 4));

const LEET: Readonly<Record<string, string>> = {
  '0': 'o',
  '2': 'z',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '6': 'g',
  '7': 't',
  '8': 'b',
  '9': 'g',
  '@': 'a',
  $: 's',
  '+': 't',
  '(': 'c',
};

/** The text as it stands, and with letters for the signs that leetspeak puts in their place. */
function spellingsOf(text: string): string[] {
  const plain = text.replace(/[02-9@$+(]/g, (sign) => LEET[sign] ?? sign);
  return [...new Set([text, plain.replace(/[1!|]/g, 'i'), plain.replace(/[1!|]/g, 'l')])];
}
