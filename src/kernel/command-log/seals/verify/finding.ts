/**
 * CHANGED: a field is not what was sealed. REMOVED: the record is gone and was not pruned. INSERTED: it was added to what had been
 * sealed. SWAPPED: it has the place or the content of another. TRUNCATED: the log ends before the head that was kept.
 * BATCH_BROKEN: the seals of a batch do not make its hash, or it does not hold the hash of the one before.
 * SIGNATURE_INVALID: a batch, a prune mark or a head does not bear the signature of a key that the service holds.
 */
export type FindingKind = 'CHANGED' | 'REMOVED' | 'INSERTED' | 'SWAPPED' | 'TRUNCATED' | 'BATCH_BROKEN' | 'SIGNATURE_INVALID';

/** One damage. */
export interface Finding {
  readonly kind: FindingKind;
  /** The record, where it is one. */
  readonly commandId?: string;
  readonly sequence?: number;
  readonly batch?: number;
  /** What is wrong, for people. */
  readonly description: string;
}
