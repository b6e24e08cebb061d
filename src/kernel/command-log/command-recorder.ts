import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type pg from 'pg';
import type { Logger } from 'pino';
import { DatabaseUnavailable, Overloaded } from '../bus/errors.ts';
import { errorCode } from '../database/sql-errors.ts';
import { ATTRIBUTE } from '../telemetry/attributes.ts';
import { inOwnTrace } from '../telemetry/spans.ts';
import type { CommandRecord } from './command-record.ts';
import { type OwnerDigest, ownersParameter, withOwners } from './personal-owner.ts';
import { recordsParameter, STORE_RECORDS } from './store-records.ts';

const STORE_OWNED_RECORDS = withOwners(STORE_RECORDS);

/** Records that may wait for their batch. */
const MOST_WAITING = 5_000;
/** What those may take of memory, in characters of their requests. */
const MOST_CHARACTERS = 32 * 1024 * 1024;
/** Records of one batch, and their characters. */
const BATCH = 500;
const BATCH_CHARACTERS = 4 * 1024 * 1024;
/** A batch that takes longer has failed, in milliseconds. */
const PATIENCE = 5_000;
/** What is not stored by then at the end of the program is not stored, in milliseconds. */
const LAST_PATIENCE = 2_000;

/** Keeps the records that no transaction of a command carries: of those that failed, that were tried only, or answered before. */
export interface CommandRecorder {
  /**
   * Resolves when the record is stored. Rejects with Overloaded when too many wait, and with DatabaseUnavailable when it could not
   * be stored; then it is in the log.
   */
  readonly record: (record: CommandRecord) => Promise<void>;
  /** Resolves when nothing waits any more; what the database has not taken within two seconds is in the log. */
  readonly close: () => Promise<void>;
}

interface Waiting {
  readonly record: CommandRecord;
  readonly size: number;
  /** The call that waits for it. */
  readonly call: Context;
  readonly stored: () => void;
  readonly failed: (error: Error) => void;
}

/** Writes one batch at a time, with all that came in during the one before: a flood of refused calls is no flood of transactions. */
export function createCommandRecorder(parts: { pool: pg.Pool; logger: Logger; ownerDigest: OwnerDigest }): CommandRecorder {
  const { pool, logger, ownerDigest } = parts;
  const waiting: Waiting[] = [];
  let characters = 0;
  let writing: Promise<void> | undefined;

  function nextBatch(): Waiting[] {
    let size = 0;
    const end = waiting.findIndex((next, index) => {
      size += next.size;
      return index > 0 && (index >= BATCH || size > BATCH_CHARACTERS);
    });
    const batch = waiting.splice(0, end === -1 ? waiting.length : end);
    characters -= batch.reduce((sum, next) => sum + next.size, 0);
    return batch;
  }

  function statementOf(records: readonly CommandRecord[]): { name: string; text: string; values: string[] } {
    const values = [recordsParameter(records)];
    const owned = records.filter(({ owners }) => owners.length > 0);
    if (owned.length === 0) return { name: 'store command records', text: STORE_RECORDS, values };
    values.push(ownersParameter(owned, ownerDigest));
    return { name: 'store owned command records', text: STORE_OWNED_RECORDS, values };
  }

  async function write(batch: readonly Waiting[]): Promise<void> {
    const records = batch.map(({ record }) => record);
    try {
      const statement = { ...statementOf(records), query_timeout: PATIENCE };
      await partOf(batch, () => pool.query(statement));
      for (const { stored } of batch) stored();
    } catch (error) {
      if (batch.length > 1 && isAboutData(error)) {
        for (const one of batch) await write([one]);
        return;
      }
      giveUp(batch, error);
    }
  }

  function giveUp(batch: readonly Waiting[], error: unknown): void {
    logger.error(
      { err: error, records: batch.map(({ record }) => withoutRequest(record)) },
      'records of commands could not be stored',
    );
    for (const { failed } of batch) failed(new DatabaseUnavailable(error));
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) await write(nextBatch());
    writing = undefined;
  }

  return {
    record(record) {
      const size = (record.request?.length ?? 0) + (record.personal?.length ?? 0);
      if (waiting.length >= MOST_WAITING || characters + size > MOST_CHARACTERS) {
        return Promise.reject(new Overloaded('the command log'));
      }
      characters += size;
      const { promise, resolve: stored, reject: failed } = Promise.withResolvers<void>();
      waiting.push({ record, size, call: context.active(), stored, failed });
      // Not as part of the call that happens to be the first.
      writing ??= context.with(ROOT_CONTEXT, writeAll);
      return promise;
    },
    async close() {
      await Promise.race([writing, sleep(LAST_PATIENCE, undefined, { ref: false })]);
      if (waiting.length > 0) giveUp(waiting.splice(0), new Error('the program stops'));
    },
  };
}

/** A statement for one call is part of it. One for several is part of none, and names them. */
function partOf<T>(batch: readonly Waiting[], store: () => Promise<T>): Promise<T> {
  const [only, ...others] = batch;
  if (only && others.length === 0) return context.with(only.call, store);
  const recorded = batch.map(({ call }) => trace.getSpan(call)).filter((span) => span?.isRecording());
  if (recorded.length === 0) return store();
  const links = recorded.flatMap((span) => (span ? [{ context: span.spanContext() }] : []));
  return inOwnTrace('store command records', { links, attributes: { [ATTRIBUTE.records]: batch.length } }, store);
}

/** One record that PostgreSQL does not take (SQLSTATE classes 22 and 54) must not take the others with it. */
const isAboutData = (error: unknown): boolean => /^(22|54)/.test(errorCode(error) ?? '');

/** What a log may hold of a record. */
function withoutRequest({ request: _, personal: __, personalDigest: ___, owners: ____, ...record }: CommandRecord): object {
  return record;
}
