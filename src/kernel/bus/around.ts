import type { Answer } from './answer.ts';
import type { Call } from './call.ts';

/** The rest of the way of a call: to its handler, and back with the answer. */
export type Next = (call: Call) => Promise<Answer>;

/** What stands around the rest of the way. Connect's `Interceptor`, for the calls and answers of the bus. */
export type Around = (next: Next) => Next;

/** Stands the first around the second and so on, and the last around what answers. */
export function composed(arounds: readonly Around[], answer: Next): Next {
  return arounds.reduceRight<Next>((next, around) => around(next), answer);
}
