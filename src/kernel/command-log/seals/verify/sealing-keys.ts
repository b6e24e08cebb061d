import type { Batch } from '../batch.ts';
import type { VerifyingKeys } from '../signature.ts';
import type { Finding } from './finding.ts';

/** The batches that one key has sealed. While keys rotate, those of two keys can take turns. */
export interface SealedBy {
  readonly keyId: string;
  readonly firstBatch: number;
  readonly lastBatch: number;
  readonly batches: number;
  /** Whether it is a key that the verifier was given: otherwise its seals prove nothing. */
  readonly isHeld: boolean;
}

/** What is kept apart, so that a log with seals of anybody's cannot fill the memory; batches of further keys are counted together. */
const MOST_KEYS = 100;
const OTHERS = 'others';

/** Which keys sealed what, as far as the log was followed. */
export class SealingKeys {
  readonly #held: VerifyingKeys;
  readonly #byId = new Map<string, SealedBy>();

  constructor(held: VerifyingKeys) {
    this.#held = held;
  }

  isHeld({ keyId }: Pick<Batch, 'keyId'>): boolean {
    return this.#held.has(keyId);
  }

  /** Answers whether the key is held, so that the signature can be checked. */
  add({ keyId, number }: Pick<Batch, 'keyId' | 'number'>): boolean {
    const isHeld = this.isHeld({ keyId });
    const name = isHeld || this.#byId.has(keyId) || this.#byId.size < MOST_KEYS ? keyId : OTHERS;
    const known = this.#byId.get(name);
    this.#byId.set(name, {
      keyId: name,
      isHeld,
      firstBatch: known?.firstBatch ?? number,
      lastBatch: number,
      batches: (known?.batches ?? 0) + 1,
    });
    return isHeld;
  }

  /** In the order in which they began to seal. */
  all(): SealedBy[] {
    return [...this.#byId.values()];
  }

  /** One for each key that is not held, however much it has sealed. */
  findings(): Finding[] {
    return this.all().flatMap(({ keyId, isHeld, firstBatch, lastBatch, batches }): Finding[] => {
      if (isHeld) return [];
      const which = batches === 1 ? `batch ${firstBatch} is` : `${batches} batches from ${firstBatch} to ${lastBatch} are`;
      const description = `${which} sealed with the key ${keyId}, which the service does not hold`;
      return [{ kind: 'SIGNATURE_INVALID', batch: firstBatch, description }];
    });
  }
}
