import type pg from 'pg';
import type { SigningKey } from '../../auth/signing-key.ts';
import { type Cut, cutValues, inCut, MarkWentBack, nextCut } from '../../database/cut.ts';
import { type Batch, batchHash, MAX_BATCH_SIZE, NO_BATCH_BEFORE } from './batch.ts';
import { placeOf, recordDigest, SEALED_COLUMN_COUNT, SEALED_COLUMNS, SEALED_FORM, TEXT_ROWS } from './canonical-record.ts';
import { merkleRoot, type Seal, sealLeaf } from './merkle.ts';
import { signed, type VerifyingKeys } from './signature.ts';
import { type DistrustedBatch, whereToGoOn } from './where-to-go-on.ts';

/** The transaction ids of the database are below those that were sealed: it is a copy by dump, whose ids began anew. */
export class SealsFromElsewhere extends Error {
  constructor(cause: MarkWentBack) {
    super(`the log cannot be sealed on: ${cause.message}. It was restored from a dump`, { cause });
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

/** The records of a cut: see `Cut`. */
const cutOf = (besides = ''): string => `declare cut no scroll cursor for
  select ${SEALED_COLUMNS}, record.received_at::text from cqrs.command_log as record
  where ${inCut('record')} ${besides} order by record.position`;
const CUT = cutOf();

/** The same without the records that have a seal already, whoever made it: a batch that cannot be trusted lies in between. */
const CUT_BEHIND_DISTRUSTED = cutOf(`and not exists (select from cqrs.command_seal as seal
    where seal.command_id = record.command_id and seal.received_at = record.received_at)`);

const PAGE = `fetch ${MAX_BATCH_SIZE} from cut`;

/** By the owner's function: a batch can only be put behind the newest one. */
const APPEND = `select cqrs.append_seals($1, $2::uuid[], $3::timestamptz[], $4::bytea[], $5, $6, $7, $8, $9,
  timestamptz 'epoch' + $10::bigint * interval '1 millisecond', $11::xid8, $12)`;

export interface SealRoundParts {
  readonly pool: pg.Pool;
  /** Signs. */
  readonly key: SigningKey;
  /** Whose batches are gone on from: those of the ring. Default: of `key` alone. */
  readonly keys?: VerifyingKeys | undefined;
  readonly now: () => number;
  /** Told of a newest batch that is not this service's: see `whereToGoOn`. */
  readonly onDistrust?: ((problem: DistrustedBatch) => void) | undefined;
  /** Runs the sealing of a round that has something to seal, and gets how many records that was. For traces. Default: runs it. */
  readonly watch?: ((sealing: () => Promise<number>) => Promise<number>) | undefined;
}

/**
 * Seals what was committed since the last round, in one transaction; answers how many records that was. Answers 0 at once when
 * another instance is sealing.
 */
export async function sealRound({ pool, ...parts }: SealRoundParts): Promise<number> {
  const client = await pool.connect();
  try {
    // Each statement sees what was committed before it: the newest batch has to be read after the lock was had.
    await client.query('begin isolation level read committed');
    const { rows } = await client.query<{ locked: boolean }>(TRY_LOCK);
    const sealed = rows[0]?.locked ? await sealCut(client, parts) : 0;
    await client.query('commit');
    client.release();
    return sealed;
  } catch (error) {
    // Closed, and so rolled back.
    client.release(true);
    throw error;
  }
}

async function sealCut(
  client: pg.PoolClient,
  { key, keys, now, onDistrust, watch = (sealing) => sealing() }: Omit<SealRoundParts, 'pool'>,
): Promise<number> {
  const start = await whereToGoOn(client, keys ?? new Map([[key.publicJwk.kid, key]]));
  const { sealedBelow } = start;
  if (start.distrusted) onDistrust?.(start.distrusted);
  const cut = await nextCut(client, sealedBelow).catch((error: unknown) => {
    throw error instanceof MarkWentBack ? new SealsFromElsewhere(error) : error;
  });

  await client.query(start.distrusted ? CUT_BEHIND_DISTRUSTED : CUT, cutValues(cut));
  const first = await fetchPage(client);
  if (first.length === 0) return 0;
  return await watch(() => sealPages(client, first, { head: start.head, cut, key, now }));
}

async function sealPages(
  client: pg.PoolClient,
  first: readonly CutRow[],
  parts: Pick<SealRoundParts, 'key' | 'now'> & { head: Batch | undefined; cut: Cut },
): Promise<number> {
  const { cut, key, now } = parts;
  let { head } = parts;
  let sealed = 0;
  let page = first;
  while (page.length > 0) {
    const next = page.length < MAX_BATCH_SIZE ? [] : await fetchPage(client);
    const records = toSealed(page, head?.lastSequence ?? 0);
    // What is below the mark is all sealed with the last batch of the cut, and no sooner.
    head = nextBatch({ head, records, sealedAt: String(now()), sealedBelow: next.length > 0 ? cut.from : cut.below, key });
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
  const { number, root, previous, hash, signature, keyId, sealedAt, sealedBelow, form } = batch;
  await client.query(APPEND, [
    number,
    records.map(({ commandId }) => commandId),
    records.map(({ receivedAtText }) => receivedAtText),
    records.map(({ digest }) => `\\x${digest}`),
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
