import type pg from 'pg';
import { type Batch, type BatchRow, NEWEST_BATCH, toBatch } from '../batch.ts';
import type { VerifyingKey } from '../signature.ts';
import { checkBatch } from './batch-check.ts';
import { Chain } from './chain.ts';
import { Damage } from './damage.ts';
import { compareWithHead, type ExpectedHead } from './expected-head.ts';
import type { Finding } from './finding.ts';
import { countSealedRecords, insertedRecords } from './inserted-records.ts';
import { readPrunedRanges } from './pruned-ranges.ts';
import { readAhead } from './read-ahead.ts';
import { sealedPages } from './sealed-pages.ts';

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
    };

export interface VerifyOptions {
  /** A database that is the primary: see `verifyLog`. */
  readonly pool: pg.Pool;
  readonly key: VerifyingKey;
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
    // Each page is a thousand lookups by primary key. By its estimate for all partitions the planner would rather read all of the log.
    await client.query('set local enable_hashjoin = off; set local enable_mergejoin = off; set local jit = off');
    yield* limited(verify(client, options));
    await client.query('commit');
    isDone = true;
  } finally {
    // A connection with a statement or a transaction under way is closed.
    client.release(!isDone);
  }
}

async function* verify(client: pg.ClientBase, { key, expectedHead }: VerifyOptions): AsyncGenerator<VerifyEvent> {
  const [row] = (await client.query<BatchRow>(NEWEST_BATCH)).rows;
  const head = row && toBatch(row);
  const total = head?.lastSequence ?? 0;
  const { pruned, findings: markFindings } = await readPrunedRanges(client, key);
  yield* markFindings.map(reported);

  const chain = new Chain(key);
  const damage = new Damage();
  const sum = { seen: 0, verified: 0, pruned: 0, found: 0 };
  let nextProgress = 0;
  for await (const page of readAhead(sealedPages(client))) {
    if (sum.seen >= nextProgress) {
      yield { kind: 'progress', verified: sum.seen, total };
      nextProgress = sum.seen + PROGRESS_STEP;
    }
    const rows = await Promise.all(page.map(({ batch }) => chain.follow(batch)));
    for (const [index, sealed] of page.entries()) {
      const rowFindings = rows[index] ?? [];
      const isRowBroken = rowFindings.some((finding) => finding.kind === 'BATCH_BROKEN' && finding.batch === sealed.batch.number);
      const check = checkBatch(sealed, pruned, { isRowBroken });
      yield* [...rowFindings, ...check.findings, ...damage.add(check.unmatched)].map(reported);
      sum.verified += check.verified;
      sum.pruned += check.pruned;
      sum.seen = sealed.batch.lastSequence;
      sum.found += sealed.records.filter(({ record }) => record).length;
    }
  }

  yield* (await strayFindings(client, head)).map(reported);
  const sealedBelow = head?.sealedBelow ?? '0';
  if ((await countSealedRecords(client, sealedBelow)) !== sum.found)
    for await (const inserted of insertedRecords(client, sealedBelow)) yield* damage.add(inserted).map(reported);
  yield* damage.findings().map(reported);
  if (expectedHead) yield* (await compareWithHead(client, expectedHead, { key, pruned })).map(reported);
  yield { kind: 'progress', verified: total, total };
  yield { kind: 'result', verified: sum.verified, pruned: sum.pruned, findings: 0, head };
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
