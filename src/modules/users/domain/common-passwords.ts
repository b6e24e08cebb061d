import { runLength } from './character-runs.ts';

/**
 * How many guesses find a password, as a power of ten: a lower bound, for an attacker who tries the likely ones first. `context` holds
 * words that the attacker knows of this user, in lower case: they cost no guess.
 */
export type GuessEstimate = (password: string, context?: readonly string[]) => number;

/**
 * Estimates guesses as zxcvbn does (Wheeler, USENIX Security 2016): a password is cut, in the cheapest way, into common passwords,
 * runs, years and single characters, and the guesses for the parts are multiplied. A part that is repeated costs little more
 * than once. Case, leetspeak, separators between the characters and writing backwards cost an attacker next to nothing.
 *
 * `commonPasswords` come in order, the most common first. `contextWords` are those of the service and of whoever runs it (OWASP ASVS 5.0,
 * 6.2.11): an attacker knows them, and they cost no guess.
 */
export function createGuessEstimate(commonPasswords: Iterable<string>, contextWords: Iterable<string> = []): GuessEstimate {
  const common = byRank(commonPasswords);
  for (const phrase of FAMOUS_PHRASES) common.add(phrase, FAMOUS_PHRASE_COST);
  for (const word of contextWords) common.add(word.toLowerCase(), 0);
  return (password, context = []) => {
    const own = new Words();
    for (const word of context) own.add(word, 0);
    const text = password.toLowerCase();
    const joined = text.replace(/[^\p{L}\p{M}\p{N}]+/gu, '');
    const readings = [text, [...text].reverse().join('')];
    if (joined !== '' && joined !== text) readings.push(joined);
    return Math.min(...readings.map((reading) => cost(reading, [common, own])));
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

function byRank(commonPasswords: Iterable<string>): Words {
  const words = new Words();
  let rank = 1;
  for (const password of commonPasswords) {
    rank++;
    words.add(password.toLowerCase(), Math.log10(rank));
  }
  return words;
}

/** Words by their text, each with the guesses for it, as a power of ten. */
class Words {
  readonly #costs = new Map<string, number>();
  /** By how words begin, the length of the longest: at most places of a text begins none, and there one look is enough. */
  readonly #longest = new Map<string, number>();

  add(word: string, cost: number): void {
    if (word.length < MIN_COMMON_LENGTH) return;
    this.#costs.set(word, Math.min(cost, this.#costs.get(word) ?? Infinity));
    const start = word.slice(0, MIN_COMMON_LENGTH);
    this.#longest.set(start, Math.max(word.length, this.#longest.get(start) ?? 0));
  }

  /** Tells where in the text each word ends that begins at `start`, and what it costs. */
  findAt(text: string, start: number, found: (end: number, cost: number) => void): void {
    const longest = this.#longest.get(text.slice(start, start + MIN_COMMON_LENGTH)) ?? 0;
    for (let end = start + MIN_COMMON_LENGTH; end <= Math.min(text.length, start + longest); end++) {
      const cost = this.#costs.get(text.slice(start, end));
      if (cost !== undefined) found(end, cost);
    }
  }
}

/** The cheapest way to cut the text into parts, found from its start to its end. */
function cost(text: string, words: readonly Words[]): number {
  const period = smallestPeriod(text);
  if (period < text.length) return cost(text.slice(0, period), words) + Math.log10(text.length / period);

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
    const reachByWord = (end: number, word: number) => {
      const part = text.slice(start, end);
      let repetitions = 1;
      do reach(start + repetitions * part.length, before + word + Math.log10(repetitions++));
      while (text.startsWith(part, start + (repetitions - 1) * part.length));
    };
    for (const kind of words) for (const spelling of spellings) kind.findAt(spelling, start, reachByWord);
  }
  return cheapest[text.length] ?? Infinity;
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
