import type { RecordColumnName } from '../../record-columns.ts';
import { placeOf, recordDigest, SEALED_FORM, type SealedValues } from '../canonical-record.ts';

/** What may be exchanged by itself: the id, the time and the place of a record. All the rest counts as one. */
const PARTS = (['command_id', 'received_at', 'position', 'transaction_id'] satisfies RecordColumnName[]).map(placeOf);
const REST = 1 << PARTS.length;

/**
 * Which digests two records would have, in any form, had they exchanged any of their parts. A digest that was sealed and is among them tells
 * what the records were before somebody exchanged them.
 */
export function digestsAfterSwap(one: SealedValues, other: SealedValues): string[] {
  const digests: string[] = [];
  for (let exchanged = 1; exchanged < 2 * REST - 1; exchanged += 1) {
    const values = [...(exchanged & REST ? other : one)];
    for (const [index, place] of PARTS.entries()) values[place] = (exchanged & (1 << index) ? other : one)[place] ?? null;
    for (let form = 1; form <= SEALED_FORM; form += 1) digests.push(recordDigest(values, form).toString('hex'));
  }
  return digests;
}
