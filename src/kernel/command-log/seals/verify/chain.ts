import { type Batch, batchHash, NO_BATCH_BEFORE } from '../batch.ts';
import { SEALED_FORM } from '../canonical-record.ts';
import { signatureProblem, type VerifyingKeys } from '../signature.ts';
import type { Finding } from './finding.ts';
import { SealingKeys } from './sealing-keys.ts';

/** Follows the batches in their order, each of which holds the hash of the one before. */
export class Chain {
  readonly #keys: VerifyingKeys;
  /** Who sealed what. */
  readonly sealedBy: SealingKeys;
  #last: Batch | undefined;
  /** What the hash of the last batch has to be by what it says. */
  #lastHash: Buffer = NO_BATCH_BEFORE;

  constructor(keys: VerifyingKeys) {
    this.#keys = keys;
    this.sealedBy = new SealingKeys(keys);
  }

  /**
   * What is wrong with the batch itself: at most one finding for it, and one for batches missing before it. Seals of a key that is not
   * held are found together: see `sealedBy`.
   */
  async follow(batch: Batch): Promise<Finding[]> {
    const findings: Finding[] = [];
    const { number } = batch;
    const missing = number - (this.#last?.number ?? 0) - 1;
    if (missing > 0) findings.push(missingBefore(number, missing));
    const hash = batchHash(batch);
    const problem = this.#contentProblem(batch, hash, missing > 0);
    // Before anything is awaited: the next batch may be followed meanwhile.
    this.#last = batch;
    this.#lastHash = hash;
    if (problem) return [...findings, { kind: 'BATCH_BROKEN', batch: number, description: `batch ${number} ${problem}` }];
    if (!this.sealedBy.add(batch)) return findings;
    const signature = await signatureProblem(hash, batch, this.#keys);
    if (signature) findings.push({ kind: 'SIGNATURE_INVALID', batch: number, description: `batch ${number} ${signature}` });
    return findings;
  }

  #contentProblem(batch: Batch, hash: Buffer, isAfterGap: boolean): string | undefined {
    if (!hash.equals(batch.hash)) return 'does not have the hash of what it says';
    if (batch.form > SEALED_FORM) return `is sealed in the form ${batch.form}, which a newer program than this one has to verify`;
    if (isAfterGap) return undefined;
    // Either will do: when the row before was changed, the damage is that row's.
    const isLinked = batch.previous.equals(this.#last?.hash ?? NO_BATCH_BEFORE) || batch.previous.equals(this.#lastHash);
    if (!isLinked) return 'does not hold the hash of the batch before';
    if (batch.firstSequence !== (this.#last?.lastSequence ?? 0) + 1) return 'does not begin where the batch before ends';
    return undefined;
  }
}

function missingBefore(number: number, missing: number): Finding {
  const first = number - missing;
  const which = missing === 1 ? `batch ${first} is missing` : `the batches ${first} to ${number - 1} are missing`;
  return { kind: 'BATCH_BROKEN', batch: first, description: which };
}
