import { epochMs } from './canonical-record.ts';
import type { Signature } from './signature.ts';

/** What was removed on purpose. Times are milliseconds since the epoch, as text. */
export interface PruneContent {
  readonly receivedFrom: string;
  readonly receivedBefore: string;
  readonly prunedAt: string;
  /** Up to it, seals were removed together with their records. */
  readonly lastSequence: number;
}

/** A row of cqrs.command_log_prune: one removed month. */
export interface PruneMark extends PruneContent, Signature {}

const DOMAIN = 'bicameral command prune 1';

/** What the signature of a mark is over: a JSON array (as `JSON.stringify` writes it) of a name for the form and what it says. */
export function pruneStatement({ receivedFrom, receivedBefore, prunedAt, lastSequence }: PruneContent): Buffer {
  return Buffer.from(JSON.stringify([DOMAIN, receivedFrom, receivedBefore, prunedAt, lastSequence]));
}

export const PRUNE_MARKS = `select ${epochMs('received_from')} as received_from, ${epochMs('received_before')} as received_before,
    ${epochMs('pruned_at')} as pruned_at, last_sequence, signature, key_id
  from cqrs.command_log_prune order by cqrs.command_log_prune.received_from`;

/** A row of PRUNE_MARKS. */
export interface PruneMarkRow {
  readonly received_from: string;
  readonly received_before: string;
  readonly pruned_at: string;
  readonly last_sequence: string;
  readonly signature: Buffer;
  readonly key_id: string;
}

export function toPruneMark(row: PruneMarkRow): PruneMark {
  return {
    receivedFrom: row.received_from,
    receivedBefore: row.received_before,
    prunedAt: row.pruned_at,
    lastSequence: Number(row.last_sequence),
    signature: row.signature,
    keyId: row.key_id,
  };
}
