import { CONSISTENCY_TOKEN_HEADER, mostStaleness, wantsStrongConsistency } from '../bus/bus-headers.ts';
import type { Call } from '../bus/call.ts';
import { DatabaseUnavailable } from '../bus/errors.ts';
import type { ConsistencyToken, ConsistencyTokens } from './token.ts';

/** How fresh what is read has to be for one caller. */
export interface Wish {
  /** Everything that was answered before. */
  readonly isStrong: boolean;
  /** How old at most, in milliseconds. */
  readonly most: number | undefined;
  /** At least what this tells of. */
  readonly token: ConsistencyToken | undefined;
}

/**
 * What a call says of how fresh its answer has to be; undefined when it says nothing. `systemIdentifier` is that of the database. Throws HeaderInvalid, and what
 * opening a token throws; DatabaseUnavailable where no database was seen yet.
 */
export function wishOf(
  call: Call,
  { tokens, systemIdentifier }: { tokens: ConsistencyTokens; systemIdentifier: bigint | undefined },
): Wish | undefined {
  const isStrong = wantsStrongConsistency(call);
  const most = mostStaleness(call);
  const text = call.headerValue(CONSISTENCY_TOKEN_HEADER);
  if (!isStrong && most === undefined && text === undefined) return undefined;
  if (text === undefined) return { isStrong, most, token: undefined };
  if (systemIdentifier === undefined) throw new DatabaseUnavailable();
  return { isStrong, most, token: tokens.open(text, systemIdentifier) };
}
