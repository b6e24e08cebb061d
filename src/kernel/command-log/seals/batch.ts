import { hash } from 'node:crypto';
import { epochMs } from './canonical-record.ts';
import type { Signature } from './signature.ts';

/** Records of one batch at most, and so of one page in memory. Other calls wait for about 3 ms while a page is sealed or checked. */
export const MAX_BATCH_SIZE = 250;

/** What a batch says, and its hash is over. */
export interface BatchContent {
  /** From 1, without gaps. */
  readonly number: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Of the Merkle tree over its records. */
  readonly root: Buffer;
  /** Hash of the batch before. */
  readonly previous: Buffer;
  /** Milliseconds since the epoch, as text. */
  readonly sealedAt: string;
  /** Every record of a transaction below this id is sealed, as of this batch. */
  readonly sealedBelow: string;
  /** The cluster that counts these transactions, by its `system_identifier`. Undefined in batches of forms before `CLUSTER_FORM`. */
  readonly cluster: string | undefined;
  /** Every record up to this position is sealed too, whatever its transaction: it came with a dump, as of the newest restore mark. */
  readonly restoredPosition: string;
  /** In which form its records are sealed: see `SEALED_FORM`. */
  readonly form: number;
}

/** The first form whose batches say in which cluster they were sealed. */
const CLUSTER_FORM = 4;

/** A row of cqrs.command_seal_batch. The signature is over the hash. */
export interface Batch extends BatchContent, Signature {
  readonly hash: Buffer;
}

/** What the first batch holds in place of the hash of the one before. */
export const NO_BATCH_BEFORE = Buffer.alloc(32);

/** SHA-256 over a JSON array (as `JSON.stringify` writes it) of the name of its form and all that the batch says. */
export function batchHash(batch: BatchContent): Buffer {
  const { number, firstSequence, lastSequence, root, previous, sealedAt, sealedBelow, form } = batch;
  const content = [
    `bicameral command batch ${form}`,
    number,
    firstSequence,
    lastSequence,
    root.toString('hex'),
    previous.toString('hex'),
    sealedAt,
    sealedBelow,
    ...(form >= CLUSTER_FORM ? [batch.cluster, batch.restoredPosition] : []),
  ];
  return hash('sha256', JSON.stringify(content), 'buffer');
}

/**
 * Whether a batch is the mark of a restore: it holds no record and says that the log is in another cluster from here on, or that the
 * transaction ids began anew. Behind it are the seals of the records that had none then, up to its `restoredPosition`.
 */
export function isRestoreMark({ form, firstSequence, lastSequence }: BatchContent): boolean {
  return form >= CLUSTER_FORM && lastSequence < firstSequence;
}

/** Select list of cqrs.command_seal_batch, for `toBatch`. */
export const BATCH_COLUMNS = `number, first_sequence, last_sequence, root, previous, hash, signature, key_id,
  ${epochMs('sealed_at')} as sealed_at, sealed_below::text, system_identifier::text, restored_position::text, form`;

/** The newest batch: the head of the log. */
export const NEWEST_BATCH = `select ${BATCH_COLUMNS} from cqrs.command_seal_batch order by number desc limit 1`;

/** A row of BATCH_COLUMNS. */
export interface BatchRow {
  readonly number: string;
  readonly first_sequence: string;
  readonly last_sequence: string;
  readonly root: Buffer;
  readonly previous: Buffer;
  readonly hash: Buffer;
  readonly signature: Buffer;
  readonly key_id: string;
  readonly sealed_at: string;
  readonly sealed_below: string;
  readonly system_identifier: string | null;
  readonly restored_position: string | null;
  readonly form: number;
}

export function toBatch(row: BatchRow): Batch {
  return {
    number: Number(row.number),
    firstSequence: Number(row.first_sequence),
    lastSequence: Number(row.last_sequence),
    root: row.root,
    previous: row.previous,
    hash: row.hash,
    signature: row.signature,
    keyId: row.key_id,
    sealedAt: row.sealed_at,
    sealedBelow: row.sealed_below,
    // In an earlier form the hash does not cover them: whatever stands there, nobody sealed it.
    cluster: row.form >= CLUSTER_FORM ? (row.system_identifier ?? undefined) : undefined,
    restoredPosition: row.form >= CLUSTER_FORM ? (row.restored_position ?? '0') : '0',
    form: row.form,
  };
}
