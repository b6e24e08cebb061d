/** Users beyond those that loads call for, which are there to be sampled. */
export const SAMPLE_USERS = 10;

export const ID_PREFIX = '01930000-0000-7000-8000-';

const FIRST = ['Ada', 'Blaise', 'Carl', 'Donald', 'Edsger', 'Frances', 'Grace', 'Hedy', 'Ivan', 'Jean', 'Kathleen', 'Leslie'];
const LAST = ['Allen', 'Booth', 'Cerf', 'Dijkstra', 'Engelbart', 'Floyd', 'Goldberg', 'Hopper', 'Iverson', 'Jennings', 'Knuth'];

/** A user's id: a UUIDv7 whose last group is the number in decimal digits, so that ids rise with numbers. */
export function userId(number: number | string): string {
  return ID_PREFIX + String(number).padStart(12, '0');
}

/** One user in 132 has it in the e-mail address, which no workload changes. */
export const TEXT_TO_SEARCH = 'grace.hopper';

/** SQL for the name of the user whose number is `i`. */
export const NAME_SQL = `(${array(FIRST)})[1 + i % ${FIRST.length}] || ' ' || (${array(LAST)})[1 + i % ${LAST.length}]`;

/** SQL for the e-mail address of the user whose number is `i` and whose name is `name`. */
export const EMAIL_SQL = `lower(replace(name, ' ', '.')) || '.' || i || '@example.org'`;

/** The e-mail address of the user with that number, as EMAIL_SQL makes it. */
export function emailOf(number: number): string {
  return `${FIRST[number % FIRST.length]}.${LAST[number % LAST.length]}.${number}@example.org`.toLowerCase();
}

function array(words: readonly string[]): string {
  return `array[${words.map((word) => `'${word}'`).join(', ')}]`;
}
