import type pg from 'pg';
import { BATCH_COLUMNS, type Batch, type BatchRow, batchHash, NEWEST_BATCH, toBatch } from './batch.ts';
import { signatureProblem, type VerifyingKeys } from './signature.ts';

/** The newest batch says something that this service did not seal. */
export interface DistrustedBatch {
  readonly batch: number;
  /** For people: what is wrong with it. */
  readonly problem: string;
}

/** Behind what the next batch stands, and what is sealed by then. */
export interface SealStart {
  /** The newest batch, trusted or not: the next one stands behind it. */
  readonly head: Batch | undefined;
  /** The newest batch that can be trusted: what is sealed is what it says. Undefined: nothing is. */
  readonly trusted: Batch | undefined;
  readonly distrusted: DistrustedBatch | undefined;
}

/** How far back a batch is looked for that can be trusted. */
const MOST_LOOKED_AT = 1_000;

const BEFORE = `select ${BATCH_COLUMNS} from cqrs.command_seal_batch where number < $1 order by number desc limit ${MOST_LOOKED_AT}`;

/**
 * Whoever has the writer's password can put a batch behind the newest one that says of records that they are sealed. So the newest is
 * believed only if it bears a signature of this service; else the sealing goes on from the newest one that does, behind those
 * that do not, which the verification of the log names for what they are.
 *
 * Where no batch far back can be trusted, they are of a key that was given up, and the newest is gone on from.
 */
export async function whereToGoOn(client: pg.ClientBase, keys: VerifyingKeys): Promise<SealStart> {
  const [newest] = (await client.query<BatchRow>(NEWEST_BATCH)).rows;
  if (!newest) return { head: undefined, trusted: undefined, distrusted: undefined };
  const head = toBatch(newest);
  const problem = await problemOf(head, keys);
  if (problem === undefined) return { head, trusted: head, distrusted: undefined };

  const distrusted = { batch: head.number, problem };
  const before = (await client.query<BatchRow>(BEFORE, [head.number])).rows.map(toBatch);
  for (const batch of before) {
    if ((await problemOf(batch, keys)) === undefined) return { head, trusted: batch, distrusted };
  }
  return { head, trusted: before.length < MOST_LOOKED_AT ? undefined : head, distrusted };
}

async function problemOf(batch: Batch, keys: VerifyingKeys): Promise<string | undefined> {
  const hash = batchHash(batch);
  if (!hash.equals(batch.hash)) return 'does not have the hash of what it says';
  return await signatureProblem(hash, batch, keys);
}
