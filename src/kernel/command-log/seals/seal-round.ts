import type pg from 'pg';
import type { SigningKey } from '../../auth/signing-key.ts';
import { type Cut, cutValues, hasGoneBack, inCut, MARK } from '../../database/cut.ts';
import { type Batch, batchHash, MAX_BATCH_SIZE, NO_BATCH_BEFORE } from './batch.ts';
import { placeOf, recordDigest, SEALED_COLUMN_COUNT, SEALED_COLUMNS, SEALED_FORM, TEXT_ROWS } from './canonical-record.ts';
import { merkleRoot, type Seal, sealLeaf } from './merkle.ts';
import { signed, type VerifyingKeys } from './signature.ts';
import { type DistrustedBatch, whereToGoOn } from './where-to-go-on.ts';

/** A record with what its seal will hold. */
interface Sealed extends Seal {
  /** The time as the session writes it, to be stored unchanged. */
  readonly receivedAtText: string;
}

/** Ends a transaction at once, with nothing done, when another instance is sealing. */
const TRY_LOCK = `select pg_try_advisory_xact_lock(hashtext('cqrs.command_seal')) as locked`;

/** Where the sealing works: the cluster, and the id below which every transaction has ended there. */
const HERE = `select system_identifier::text as cluster, ${MARK}::text as mark from pg_control_system()`;

interface Here {
  readonly cluster: string;
  readonly mark: string;
}

const recordsOf = (condition: string): string => `declare cut no scroll cursor for
  select ${SEALED_COLUMNS}, record.received_at::text from cqrs.command_log as record
  where ${condition} order by record.position`;

const HAS_NO_SEAL = `not exists (select from cqrs.command_seal as seal
    where seal.command_id = record.command_id and seal.received_at = record.received_at)`;

/** The records of a cut: see `Cut`. The ids of those that a dump brought are of another cluster, and no part of it. */
const CUT = recordsOf(`${inCut('record')} and record.position > $3::bigint`);

/** The same without the records that have a seal already, whoever made it: a batch that cannot be trusted lies in between. */
const CUT_BEHIND_DISTRUSTED = recordsOf(`${inCut('record')} and record.position > $3::bigint and ${HAS_NO_SEAL}`);

/** What a dump brought without a seal, and what was written since. */
const UNSEALED = recordsOf(`record.position <= $1::bigint and ${HAS_NO_SEAL}`);

const PAGE = `fetch ${MAX_BATCH_SIZE} from cut`;

/** By the owner's function: a batch can only be put behind the newest one. */
const APPEND = `select cqrs.append_seals($1, $2::uuid[], $3::timestamptz[], $4::bytea[], $5, $6, $7, $8, $9,
  timestamptz 'epoch' + $10::bigint * interval '1 millisecond', $11::xid8, $12, $13, $14)`;

/** Waits for the commands that are being recorded, while others wait for it: a statement by itself, so that this is short. */
const END_OF_LOG = 'select last_position::text as position, mark::text from cqrs.end_of_log()';

/** Every record up to the position is visible; those behind it will be of transactions from the mark on. */
interface EndOfLog {
  readonly position: string;
  readonly mark: string;
}

/** The log came into another cluster. */
export interface LogRestored {
  /** The mark that says so. */
  readonly batch: number;
  /** Records that had no seal. */
  readonly unsealed: number;
}

export interface SealRoundParts {
  readonly pool: pg.Pool;
  /** Signs. */
  readonly key: SigningKey;
  /** Whose batches are gone on from: those of the ring. Default: of `key` alone. */
  readonly keys?: VerifyingKeys | undefined;
  readonly now: () => number;
  /** Told of a newest batch that is not this service's: see `whereToGoOn`. */
  readonly onDistrust?: ((problem: DistrustedBatch) => void) | undefined;
  /** Told of a log that was sealed in another cluster until now, when it is sealed in this one. */
  readonly onRestore?: ((restored: LogRestored) => void) | undefined;
  /** Runs the sealing of a round that has something to seal, and gets how many records that was. For traces. Default: runs it. */
  readonly watch?: ((sealing: () => Promise<number>) => Promise<number>) | undefined;
}

/** What is sealed as of a batch. */
type SealedState = Pick<Batch, 'sealedBelow' | 'cluster' | 'restoredPosition'>;

type Parts = Omit<SealRoundParts, 'pool'>;

/**
 * Seals what was committed since the last round, in one transaction; answers how many records that was. Answers 0 at once when
 * another instance is sealing.
 *
 * Another cluster counts transactions anew, so the ids of the records that a dump brought say nothing there. All records up to a position are
 * sealed then, behind a mark that says so. The ids of the new cluster count for the records behind that position.
 */
export async function sealRound({ pool, ...parts }: SealRoundParts): Promise<number> {
  const client = await pool.connect();
  try {
    let sealed = (await inTransaction(client, () => sealCut(client, parts))) ?? 0;
    if (sealed === 'restored') {
      const end = await endOfLog(client);
      const restored = await inTransaction(client, () => sealRestored(client, { ...parts, end }));
      if (restored) parts.onRestore?.(restored);
      sealed = restored?.unsealed ?? 0;
    }
    client.release();
    return sealed;
  } catch (error) {
    // Closed, and so rolled back.
    client.release(true);
    throw error;
  }
}

/** Undefined when another instance is sealing. */
async function inTransaction<T>(client: pg.PoolClient, seal: () => Promise<T>): Promise<T | undefined> {
  // Each statement sees what was committed before it: the newest batch has to be read after the lock was had.
  await client.query('begin isolation level read committed');
  const { rows } = await client.query<{ locked: boolean }>(TRY_LOCK);
  const sealed = rows[0]?.locked ? await seal() : undefined;
  await client.query('commit');
  return sealed;
}

async function sealCut(client: pg.PoolClient, parts: Parts): Promise<number | 'restored'> {
  const { head, trusted, distrusted } = await whereToGoOn(client, ringOf(parts));
  if (distrusted) parts.onDistrust?.(distrusted);
  const { cluster, mark } = await lookAround(client);
  if (isRestored(trusted, { cluster, mark })) return 'restored';

  const restoredPosition = trusted?.restoredPosition ?? '0';
  const cut: Cut = { from: trusted?.sealedBelow ?? '0', below: mark };
  await client.query(distrusted ? CUT_BEHIND_DISTRUSTED : CUT, [...cutValues(cut), restoredPosition]);
  const first = await fetchPage(client);
  if (first.length === 0) return 0;
  const { watch = run } = parts;
  // What is below the mark is all sealed with the last batch of the cut, and no sooner.
  const before: SealedState = { sealedBelow: cut.from, cluster, restoredPosition };
  return await watch(() => sealPages(client, first, { ...parts, head, before, after: { ...before, sealedBelow: cut.below } }));
}

/** Undefined when another instance did it meanwhile. */
async function sealRestored(client: pg.PoolClient, parts: Parts & { end: EndOfLog }): Promise<LogRestored | undefined> {
  const { head, trusted } = await whereToGoOn(client, ringOf(parts));
  const { cluster, mark } = await lookAround(client);
  if (!isRestored(trusted, { cluster, mark })) return undefined;

  const { now, key, end, watch = run } = parts;
  const state: SealedState = { sealedBelow: end.mark, cluster, restoredPosition: end.position };
  await client.query(UNSEALED, [end.position]);
  const first = await fetchPage(client);
  const restoreMark = nextBatch({ head, records: [], sealedAt: String(now()), state, key });
  await write(client, [], restoreMark);
  const rest = { ...parts, head: restoreMark, before: state, after: state };
  const unsealed = first.length === 0 ? 0 : await watch(() => sealPages(client, first, rest));
  return { batch: restoreMark.number, unsealed };
}

const ringOf = ({ key, keys }: Parts): VerifyingKeys => keys ?? new Map([[key.publicJwk.kid, key]]);

const run = (sealing: () => Promise<number>): Promise<number> => sealing();

async function lookAround(client: pg.PoolClient): Promise<Here> {
  const [here] = (await client.query<Here>(HERE)).rows;
  if (!here) throw new Error('pg_control_system() returns one row');
  return here;
}

/** A batch of an earlier form does not say where it was sealed: only ids that went back tell. */
function isRestored(trusted: Batch | undefined, { cluster, mark }: Here): boolean {
  if (!trusted) return false;
  return (trusted.cluster ?? cluster) !== cluster || hasGoneBack(trusted.sealedBelow, mark);
}

async function endOfLog(client: pg.PoolClient): Promise<EndOfLog> {
  const [end] = (await client.query<EndOfLog>(END_OF_LOG)).rows;
  if (!end) throw new Error('cqrs.end_of_log() returns one row');
  return end;
}

async function sealPages(
  client: pg.PoolClient,
  first: readonly CutRow[],
  parts: Pick<SealRoundParts, 'key' | 'now'> & { head: Batch | undefined; before: SealedState; after: SealedState },
): Promise<number> {
  const { before, after, key, now } = parts;
  let { head } = parts;
  let sealed = 0;
  let page = first;
  let written = Promise.resolve();
  while (page.length > 0) {
    // The database has something to do while this process computes: it reads the next page, and writes the batch before.
    const coming = page.length < MAX_BATCH_SIZE ? [] : fetchPage(client);
    const records = toSealed(page, head?.lastSequence ?? 0);
    const [next] = await Promise.all([coming, written]);
    head = nextBatch({ head, records, sealedAt: String(now()), state: next.length > 0 ? before : after, key });
    written = write(client, records, head);
    sealed += page.length;
    page = next;
  }
  await written;
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
  state: SealedState;
  key: SigningKey;
}): Batch {
  const { head, records, sealedAt, state, key } = parts;
  const lastSequence = head?.lastSequence ?? 0;
  const content = {
    number: (head?.number ?? 0) + 1,
    firstSequence: lastSequence + 1,
    lastSequence: lastSequence + records.length,
    root: merkleRoot(records.map(sealLeaf)),
    previous: head?.hash ?? NO_BATCH_BEFORE,
    sealedAt,
    ...state,
    form: SEALED_FORM,
  };
  const hash = batchHash(content);
  return { ...content, hash, ...signed(hash, key) };
}

async function write(client: pg.PoolClient, records: readonly Sealed[], batch: Batch): Promise<void> {
  const { number, root, previous, hash, signature, keyId, sealedAt, sealedBelow, form, cluster, restoredPosition } = batch;
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
    cluster,
    restoredPosition,
  ]);
}
