import type pg from 'pg';
import { type Batch, type BatchRow, NEWEST_BATCH, toBatch } from '../batch.ts';
import type { VerifyingKeys } from '../signature.ts';
import { checkBatch } from './batch-check.ts';
import { Chain } from './chain.ts';
import { Damage } from './damage.ts';
import { compareWithHead, type ExpectedHead } from './expected-head.ts';
import type { Finding } from './finding.ts';
import { countSealedRecords, insertedRecords } from './inserted-records.ts';
import { type PrunedRanges, readPrunedRanges } from './pruned-ranges.ts';
import { readAhead } from './read-ahead.ts';
import { type Restore, Restores } from './restores.ts';
import { type SealedBatch, sealedPages } from './sealed-pages.ts';
import type { SealedBy } from './sealing-keys.ts';

/** Findings past it are counted only. */
const MOST_FINDINGS = 1_000;
/** Records from one report of progress to the next. */
const PROGRESS_STEP = 10_000;

export type VerifyEvent =
  | { readonly kind: 'progress'; readonly verified: number; readonly total: number }
  | { readonly kind: 'finding'; readonly finding: Finding }
  | {
      readonly kind: 'result';
      readonly verified: number;
      readonly pruned: number;
      /** All of them, also those that were not reported. */
      readonly findings: number;
      readonly head: Batch | undefined;
      readonly sealedBy: readonly SealedBy[];
      /** Oldest first. No damage. */
      readonly restores: readonly Restore[];
    };

export interface VerifyOptions {
  /** A database that is the primary: see `verifyLog`. */
  readonly pool: pg.Pool;
  readonly keys: VerifyingKeys;
  readonly expectedHead?: ExpectedHead | undefined;
}

/**
 * Checks the whole log as of one moment: every record against its seal, the seals against the batches, those against each other,
 * their signatures and a head that was kept. Memory does not grow with the log.
 *
 * It holds a connection and a snapshot for as long as it runs. On a standby such a snapshot is canceled when it stands against
 * replay, and a head that was just taken may not have arrived, so it reads the primary.
 */
export async function* verifyLog(options: VerifyOptions): AsyncGenerator<VerifyEvent> {
  const client = await options.pool.connect();
  let isDone = false;
  try {
    await client.query('begin isolation level repeatable read read only');
    // Before the snapshot is taken: a month that was pruned after it would be gone, and its mark would not be there yet.
    await client.query('lock table cqrs.command_log in access share mode');
    // Each page is as many lookups by primary key as a batch has records. By its estimate for all partitions the planner would rather read all of the log.
    // And planning that for all partitions takes longer than a page does: it is planned once.
    await client.query(
      'set local enable_hashjoin = off; set local enable_mergejoin = off; set local enable_seqscan = off; set local jit = off; set local plan_cache_mode = force_generic_plan',
    );
    yield* limited(verify(client, options));
    await client.query('commit');
    isDone = true;
  } finally {
    // A connection with a statement or a transaction under way is closed.
    client.release(!isDone);
  }
}

/** What was seen of the log so far. */
interface Walk {
  readonly chain: Chain;
  readonly pruned: PrunedRanges;
  readonly damage: Damage;
  readonly restores: Restores;
  /** The last place in the log that was reached. */
  sequence: number;
  /** Records that have a seal. */
  verifiedRecords: number;
  prunedRecords: number;
}

async function* verify(client: pg.ClientBase, { keys, expectedHead }: VerifyOptions): AsyncGenerator<VerifyEvent> {
  const [row] = (await client.query<BatchRow>(NEWEST_BATCH)).rows;
  const head = row && toBatch(row);
  const total = head?.lastSequence ?? 0;
  const { pruned, findings } = await readPrunedRanges(client, keys);
  yield* findings.map(reported);

  const counts = { sequence: 0, verifiedRecords: 0, prunedRecords: 0 };
  const walk: Walk = { chain: new Chain(keys), pruned, damage: new Damage(), restores: new Restores(), ...counts };
  let nextProgress = 0;
  for await (const page of readAhead(sealedPages(client))) {
    if (walk.sequence >= nextProgress) {
      yield { kind: 'progress', verified: walk.sequence, total };
      nextProgress = walk.sequence + PROGRESS_STEP;
    }
    yield* (await followPage(page, walk)).map(reported);
  }

  yield* walk.chain.sealedBy.findings().map(reported);
  yield* (await strayFindings(client, head)).map(reported);
  if ((await countSealedRecords(client, head)) !== walk.verifiedRecords)
    for await (const inserted of insertedRecords(client, head)) yield* walk.damage.add(inserted).map(reported);
  yield* walk.damage.findings().map(reported);
  if (expectedHead) yield* (await compareWithHead(client, expectedHead, { keys, pruned })).map(reported);
  yield { kind: 'progress', verified: total, total };
  yield {
    kind: 'result',
    verified: walk.verifiedRecords,
    pruned: walk.prunedRecords,
    findings: 0,
    head,
    sealedBy: walk.chain.sealedBy.all(),
    restores: walk.restores.all(),
  };
}

async function followPage(page: readonly SealedBatch[], walk: Walk): Promise<Finding[]> {
  const rowFindings = await Promise.all(page.map(({ batch }) => walk.chain.follow(batch)));
  return page.flatMap((sealed, index) => {
    const { number, lastSequence } = sealed.batch;
    const ofRow = rowFindings[index] ?? [];
    const isRowBroken = ofRow.some(({ kind, batch }) => kind === 'BATCH_BROKEN' && batch === number);
    const check = checkBatch(sealed, walk.pruned, { isRowBroken });
    walk.sequence = lastSequence;
    walk.verifiedRecords += check.verified;
    walk.prunedRecords += check.pruned;
    if (ofRow.length === 0) walk.restores.follow(sealed, walk.chain.sealedBy);
    return [...ofRow, ...check.findings, ...walk.damage.add(check.unmatched)];
  });
}

const STRAY_SEALS = 'select count(*), min(sequence) as first from cqrs.command_seal where sequence > $1 or sequence < 1';

/** Seals behind the last batch, as when batches were removed at the end. */
async function strayFindings(client: pg.ClientBase, head: Batch | undefined): Promise<Finding[]> {
  const { rows } = await client.query<{ count: string; first: string | null }>(STRAY_SEALS, [head?.lastSequence ?? 0]);
  const { count = '0', first = null } = rows[0] ?? {};
  if (first === null) return [];
  return [{ kind: 'BATCH_BROKEN', sequence: Number(first), description: `${count} seals are of no batch` }];
}

const reported = (finding: Finding): VerifyEvent => ({ kind: 'finding', finding });

async function* limited(events: AsyncGenerator<VerifyEvent>): AsyncGenerator<VerifyEvent> {
  let findings = 0;
  for await (const event of events) {
    if (event.kind === 'finding') findings += 1;
    if (event.kind === 'result') yield { ...event, findings };
    else if (event.kind !== 'finding' || findings <= MOST_FINDINGS) yield event;
  }
}
