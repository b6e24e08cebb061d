import { isRestoreMark } from '../batch.ts';
import { placeOf } from '../canonical-record.ts';
import type { SealedBatch, SealedRecord } from './sealed-pages.ts';
import type { SealingKeys } from './sealing-keys.ts';

/** The log came into another cluster, as from a dump or by an upgrade of PostgreSQL, and was gone on with there: what a signed mark says. */
export interface Restore {
  /** The batch that is the mark. */
  readonly batch: number;
  /** The last place in the log that was sealed before. */
  readonly sequence: number;
  /** When it was noticed, in milliseconds since the epoch, as text. */
  readonly at: string;
  /** Records that were there and had no seal: they have the places right behind `sequence`. Nothing proves what they were before. */
  readonly unsealed: number;
}

const POSITION = placeOf('position');

/** Follows the batches in their order, and collects the marks that a key of the service has signed. */
export class Restores {
  readonly #restores: (Restore & { unsealed: number; readonly position: number })[] = [];

  /** A batch in which nothing is wrong. */
  follow({ batch, records }: SealedBatch, keys: Pick<SealingKeys, 'isHeld'>): void {
    if (isRestoreMark(batch)) {
      if (!keys.isHeld(batch)) return;
      const { number, lastSequence: sequence, sealedAt: at } = batch;
      this.#restores.push({ batch: number, sequence, at, unsealed: 0, position: Number(batch.restoredPosition) });
    }
    const newest = this.#restores.at(-1);
    if (newest) newest.unsealed += records.filter((record) => isUpTo(newest.position, record)).length;
  }

  all(): Restore[] {
    return this.#restores.map(({ batch, sequence, at, unsealed }) => ({ batch, sequence, at, unsealed }));
  }
}

const isUpTo = (position: number, { record }: SealedRecord): boolean => Number(record?.values[POSITION] ?? Infinity) <= position;
