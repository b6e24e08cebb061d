import type pg from 'pg';
import { BATCH_COLUMNS, type BatchRow, batchHash, toBatch } from '../batch.ts';
import { type Signature, signatureProblem, type VerifyingKeys } from '../signature.ts';
import type { Finding } from './finding.ts';
import type { PrunedRanges } from './pruned-ranges.ts';

/** A head that was kept outside of the database. */
export interface ExpectedHead extends Signature {
  readonly batch: number;
  readonly sequence: number;
  readonly hash: Buffer;
}

const BATCH = `select ${BATCH_COLUMNS} from cqrs.command_seal_batch where number = $1`;

const ENDS = `select (select max(number) from cqrs.command_seal_batch) as batch, (select max(sequence) from cqrs.command_seal) as sequence`;

/** Whether the log still holds what it held when the head was taken. */
export async function compareWithHead(
  client: pg.ClientBase,
  head: ExpectedHead,
  { keys, pruned }: { keys: VerifyingKeys; pruned: PrunedRanges },
): Promise<Finding[]> {
  const problem = await signatureProblem(head.hash, head, keys);
  if (problem) return [{ kind: 'SIGNATURE_INVALID', batch: head.batch, description: `the head that was kept ${problem}` }];

  const { rows } = await client.query<{ batch: string | null; sequence: string | null }>(ENDS);
  const lastBatch = Number(rows[0]?.batch);
  const lastSequence = Number(rows[0]?.sequence);
  const truncated = (description: string): Finding[] => [
    { kind: 'TRUNCATED', batch: head.batch, sequence: head.sequence, description },
  ];
  const kept = `the head that was kept is batch ${head.batch} with sequence ${head.sequence}`;
  if (lastBatch < head.batch) return truncated(`the log ends at batch ${lastBatch}; ${kept}`);
  if (lastSequence < head.sequence && head.sequence > pruned.lastSequence)
    return truncated(`the seals end at sequence ${lastSequence}; ${kept}`);

  const [row] = (await client.query<BatchRow>(BATCH, [head.batch])).rows;
  const batch = row && toBatch(row);
  // A batch that is missing, or is not even what it says, was reported when the chain was followed.
  if (!batch || batch.hash.equals(head.hash) || !batchHash(batch).equals(batch.hash)) return [];
  return truncated(`batch ${head.batch} is another one than that of the head: the log was cut off before it and went on`);
}
