import type pg from 'pg';
import type { SigningKey } from '../auth/signing-key.ts';
import { type Batch, type BatchRow, batchHash, MAX_BATCH_SIZE, NEWEST_BATCH, NO_BATCH_BEFORE, toBatch } from './batch.ts';
import { placeOf, recordDigest, SEALED_COLUMN_COUNT, SEALED_COLUMNS, SEALED_FORM, TEXT_ROWS } from './canonical-record.ts';
import { merkleRoot, type Seal, sealLeaf } from './merkle.ts';
import { signed } from './signature.ts';

/** The transaction ids of the database are below those that were sealed: it is a copy by dump, whose ids began anew. */
export class SealsFromElsewhere extends Error {
  constructor(mark: string, sealedBelow: string) {
    super(`the log is sealed below transaction ${sealedBelow}, and the database is at ${mark}: it was restored from a dump`);
    this.name = 'SealsFromElsewhere';
  }
}

/** A record with what its seal will hold. */
interface Sealed extends Seal {
  /** The time as the session writes it, to be stored unchanged. */
  readonly receivedAtText: string;
}

/** Ends a transaction at once, with nothing done, when another instance is sealing. */
const TRY_LOCK = `select pg_try_advisory_xact_lock(hashtext('cqrs.command_seal')) as locked`;

/** Below it, every transaction has ended: what will ever be visible of them is visible now. */
const MARK = 'select pg_snapshot_xmin(pg_current_snapshot())::text as mark';

/**
 * The records of one cut: of the transactions that have ended since the last one.
 *
 * In the order of `position`. Inside a cut it respects which command came after which: a command that waited for a row that another
 * had changed inserts its record after that one's commit and has the later position, though its transaction id may be lower, because
 * it began first. From one cut to the next the transaction ids respect it: a command that waited for one still under way at the mark
 * ended after the mark too, and is not in the cut before.
 */
const CUT = `declare cut no scroll cursor for
  select ${SEALED_COLUMNS}, record.received_at::text from cqrs.command_log as record
  where record.transaction_id >= $1::xid8 and record.transaction_id < $2::xid8 order by record.position`;

const PAGE = `fetch ${MAX_BATCH_SIZE} from cut`;

const WRITE_SEALS = `insert into cqrs.command_seal (sequence, command_id, received_at, digest)
  select * from unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::bytea[])`;

const WRITE_BATCH = `insert into cqrs.command_seal_batch (number, first_sequence, last_sequence, root, previous, hash, signature, key_id,
    sealed_at, sealed_below, form)
  values ($1, $2, $3, $4, $5, $6, $7, $8, timestamptz 'epoch' + $9::bigint * interval '1 millisecond', $10::xid8, $11)`;

/**
 * Seals what was committed since the last round, in one transaction; answers how many records that was. Answers 0 at once when
 * another instance is sealing.
 */
export async function sealRound({ pool, key, now }: { pool: pg.Pool; key: SigningKey; now: () => number }): Promise<number> {
  const client = await pool.connect();
  try {
    // Each statement sees what was committed before it: the newest batch has to be read after the lock was had.
    await client.query('begin isolation level read committed');
    const { rows } = await client.query<{ locked: boolean }>(TRY_LOCK);
    const sealed = rows[0]?.locked ? await sealCut(client, key, now) : 0;
    await client.query('commit');
    client.release();
    return sealed;
  } catch (error) {
    // Closed, and so rolled back.
    client.release(true);
    throw error;
  }
}

async function sealCut(client: pg.PoolClient, key: SigningKey, now: () => number): Promise<number> {
  const [newest] = (await client.query<BatchRow>(NEWEST_BATCH)).rows;
  let head = newest && toBatch(newest);
  const sealedBelow = head?.sealedBelow ?? '0';
  const { rows } = await client.query<{ mark: string }>(MARK);
  const mark = rows[0]?.mark ?? sealedBelow;
  if (BigInt(mark) < BigInt(sealedBelow)) throw new SealsFromElsewhere(mark, sealedBelow);

  await client.query(CUT, [sealedBelow, mark]);
  let sealed = 0;
  let page = await fetchPage(client);
  while (page.length > 0) {
    const next = page.length < MAX_BATCH_SIZE ? [] : await fetchPage(client);
    const records = toSealed(page, head?.lastSequence ?? 0);
    // What is below the mark is all sealed with the last batch of the cut, and no sooner.
    head = nextBatch({ head, records, sealedAt: String(now()), sealedBelow: next.length > 0 ? sealedBelow : mark, key });
    await write(client, records, head);
    sealed += page.length;
    page = next;
  }
  return sealed;
}

type CutRow = readonly (string | null)[];

async function fetchPage(client: pg.PoolClient): Promise<CutRow[]> {
  const { rows } = await client.query<(string | null)[]>({ text: PAGE, ...TEXT_ROWS });
  return rows;
}

const COMMAND_ID = placeOf('command_id');
const RECEIVED_AT = placeOf('received_at');

function toSealed(page: readonly CutRow[], lastSequence: number): Sealed[] {
  return page.map((row, index) => ({
    sequence: lastSequence + 1 + index,
    commandId: row[COMMAND_ID] ?? '',
    receivedAt: row[RECEIVED_AT] ?? '',
    digest: recordDigest(row.slice(0, SEALED_COLUMN_COUNT), SEALED_FORM).toString('hex'),
    receivedAtText: row[SEALED_COLUMN_COUNT] ?? '',
  }));
}

function nextBatch(parts: {
  head: Batch | undefined;
  records: readonly Sealed[];
  sealedAt: string;
  sealedBelow: string;
  key: SigningKey;
}): Batch {
  const { head, records, sealedAt, sealedBelow, key } = parts;
  const lastSequence = head?.lastSequence ?? 0;
  const content = {
    number: (head?.number ?? 0) + 1,
    firstSequence: lastSequence + 1,
    lastSequence: lastSequence + records.length,
    root: merkleRoot(records.map(sealLeaf)),
    previous: head?.hash ?? NO_BATCH_BEFORE,
    sealedAt,
    sealedBelow,
    form: SEALED_FORM,
  };
  const hash = batchHash(content);
  return { ...content, hash, ...signed(hash, key) };
}

async function write(client: pg.PoolClient, records: readonly Sealed[], batch: Batch): Promise<void> {
  await client.query(WRITE_SEALS, [
    records.map(({ sequence }) => sequence),
    records.map(({ commandId }) => commandId),
    records.map(({ receivedAtText }) => receivedAtText),
    records.map(({ digest }) => `\\x${digest}`),
  ]);
  const { number, firstSequence, lastSequence, root, previous, hash, signature, keyId, sealedAt, sealedBelow, form } = batch;
  await client.query(WRITE_BATCH, [
    number,
    firstSequence,
    lastSequence,
    root,
    previous,
    hash,
    signature,
    keyId,
    sealedAt,
    sealedBelow,
    form,
  ]);
}
