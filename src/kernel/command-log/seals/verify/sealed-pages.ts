import type pg from 'pg';
import { BATCH_COLUMNS, type Batch, type BatchRow, MAX_BATCH_SIZE, toBatch } from '../batch.ts';
import { epochMs, SEALED_COLUMNS, type SealedValues, TEXT_ROWS } from '../canonical-record.ts';
import type { Seal } from '../merkle.ts';

/** A seal as it is stored, with the record it is of. */
export interface SealedRecord {
  readonly seal: Seal;
  /** Undefined when there is no such record. */
  readonly record: { readonly personal: string | null; readonly values: SealedValues } | undefined;
}

/** A batch with its seals in their order: those that are there. */
export interface SealedBatch {
  readonly batch: Batch;
  readonly records: readonly SealedRecord[];
}

/** Rows of batches read at once. */
const BATCH_PAGE = 1_000;

const BATCHES = `select ${BATCH_COLUMNS} from cqrs.command_seal_batch where number > $1 order by number limit ${BATCH_PAGE}`;

// The limit holds for a log in which seals were doubled, too.
const RECORDS = `select seal.sequence::text, seal.command_id::text, ${epochMs('seal.received_at')}, encode(seal.digest, 'hex'),
    record.personal::text, ${SEALED_COLUMNS}
  from cqrs.command_seal as seal
    left join cqrs.command_log as record on record.received_at = seal.received_at and record.command_id = seal.command_id
  where seal.sequence >= $1 and seal.sequence <= $2 order by seal.sequence limit ${MAX_BATCH_SIZE}`;

/** All batches in their order, in pages of a few hundred records, however many a batch has. */
export async function* sealedPages(client: pg.ClientBase): AsyncGenerator<SealedBatch[]> {
  let group: Batch[] = [];
  for await (const batch of batches(client)) {
    const first = group[0];
    if (first && (!follows(group.at(-1), batch) || batch.lastSequence - first.firstSequence >= MAX_BATCH_SIZE)) {
      yield await withRecords(client, group);
      group = [];
    }
    group.push(batch);
  }
  if (group.length > 0) yield await withRecords(client, group);
}

const follows = (one: Batch | undefined, other: Batch): boolean => one?.lastSequence === other.firstSequence - 1;

async function* batches(client: pg.ClientBase): AsyncGenerator<Batch> {
  for (let after = '-9223372036854775808'; ; ) {
    const { rows } = await client.query<BatchRow>(BATCHES, [after]);
    yield* rows.map(toBatch);
    const last = rows.at(-1);
    if (!last || rows.length < BATCH_PAGE) return;
    after = last.number;
  }
}

async function withRecords(client: pg.ClientBase, group: readonly Batch[]): Promise<SealedBatch[]> {
  const range = [group[0]?.firstSequence, group.at(-1)?.lastSequence];
  // No place in a log: the row was changed, and says so by its hash.
  if (!range.every(Number.isSafeInteger)) return group.map((batch) => ({ batch, records: [] }));
  const { rows } = await client.query<(string | null)[]>({ name: 'sealed records', text: RECORDS, values: range, ...TEXT_ROWS });
  const records = rows.map(toSealedRecord);
  let next = 0;
  return group.map((batch) => {
    const start = next;
    while ((records[next]?.seal.sequence ?? Number.POSITIVE_INFINITY) <= batch.lastSequence) next += 1;
    return { batch, records: records.slice(start, next) };
  });
}

function toSealedRecord([sequence, commandId, receivedAt, digest, personal = null, ...values]: (string | null)[]): SealedRecord {
  return {
    seal: { sequence: Number(sequence), commandId: commandId ?? '', receivedAt: receivedAt ?? '', digest: digest ?? '' },
    record: values[0] === null ? undefined : { personal, values },
  };
}
