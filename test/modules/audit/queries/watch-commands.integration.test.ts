import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { WatchCommandsResponse } from '#gen/audit/v1/query_service_pb.js';
import { NamedStatementClient } from '../../../../src/kernel/database/named-statement-client.ts';
import { addRecord, sealRecords } from '../../../support/command-records.ts';
import { refusalOf } from '../../../support/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { type AuditQueries, startAuditQueries } from '../audit-queries.ts';

const headers = { 'cqrs-consistency': 'strong' };

let audit: AuditQueries;
let stop: AbortController;
beforeAll(async () => {
  audit = await startAuditQueries();
});
afterAll(() => audit.stop());
beforeEach(async () => {
  stop = new AbortController();
  await audit.database.query('truncate cqrs.command_log, cqrs.command_seal');
});
afterEach(() => stop.abort());

/** Records and seals so many commands, and answers their ids. */
async function sealed(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await addRecord(audit.database));
  await sealRecords(audit.database);
  return ids;
}

/** A watcher whose messages are taken one by one. */
function watch(afterSequence?: bigint, options: { signal?: AbortSignal; headers?: Record<string, string> } = {}) {
  const request = afterSequence === undefined ? {} : { afterSequence };
  const messages = audit.client.watchCommands(request, { headers, signal: stop.signal, ...options })[Symbol.asyncIterator]();
  return {
    messages,
    next: async () => {
      const { value } = await messages.next();
      return say(value);
    },
    take: async (count: number) => {
      const taken: string[] = [];
      while (taken.length < count) taken.push(say((await messages.next()).value));
      return taken;
    },
  };
}

function say({ event }: WatchCommandsResponse): string {
  if (event.case === 'command') return `${event.value.sequence} ${event.value.commandId}`;
  return `${event.case} ${event.value?.sequence}`;
}

describe('watchCommands', () => {
  it('from 0 gives the whole log in order, then says once that it has caught up, then gives what is sealed', async () => {
    const ids = await sealed(3);
    const watcher = watch(0n);
    expect(await watcher.take(4)).toEqual([...ids.map((id, index) => `${index + 1} ${id}`), 'caughtUp 3']);
    const [fourth, fifth] = await sealed(2);
    expect(await watcher.take(2)).toEqual([`4 ${fourth}`, `5 ${fifth}`]);
  });

  it('gives a record only once it has its place', async () => {
    const watcher = watch(0n);
    expect(await watcher.next()).toBe('caughtUp 0');
    const first = await addRecord(audit.database);
    const next = watcher.next();
    const early = await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 600, 'nothing'))]);
    expect(early).toBe('nothing');
    await sealRecords(audit.database);
    expect(await next).toBe(`1 ${first}`);
  });

  it('without a place gives only what comes from now on, and says where that is', async () => {
    await sealed(3);
    const watcher = watch();
    expect(await watcher.next()).toBe('caughtUp 3');
    const [next] = await sealed(1);
    expect(await watcher.next()).toBe(`4 ${next}`);
  });

  it('resumes behind a place, without a gap or a repetition, over several pages', async () => {
    const ids = await sealed(250);
    const first = await watch(0n).take(120);
    const second = await watch(120n).take(131);
    expect([...first, ...second]).toEqual([...ids.map((id, index) => `${index + 1} ${id}`), 'caughtUp 250']);
  });

  it('waits at a place that is not reached yet', async () => {
    await sealed(1);
    const watcher = watch(2n);
    expect(await watcher.next()).toBe('caughtUp 2');
    const [, third] = await sealed(2);
    expect(await watcher.next()).toBe(`3 ${third}`);
  });

  it('shows a record whole', async () => {
    const personal = { salt: 'c2FsdA==', fields: { name: 'Ada' } };
    await addRecord(audit.database, { request: { userId: 'one' }, personal, personalDigest: Buffer.from('digest') });
    await sealRecords(audit.database);
    const { value } = await watch(0n).messages.next();
    expect(value.event.value).toMatchObject({ request: { userId: 'one', name: 'Ada' }, personalErased: false, sequence: 1n });
  });

  it('follows records of several months', async () => {
    for (const receivedAt of ['2027-03-01', '2026-12-01', '2019-01-01']) await addRecord(audit.database, { receivedAt });
    await sealRecords(audit.database);
    expect((await watch(0n).take(4)).map((text) => text.split(' ')[0])).toEqual(['1', '2', '3', 'caughtUp']);
  });

  it('ends at once when its caller leaves, also while the database does not respond', async () => {
    await sealed(1);
    for (const hang of [false, true]) {
      const leaving = new AbortController();
      const watcher = watch(1n, { signal: leaving.signal });
      expect(await watcher.next()).toBe('caughtUp 1');
      await using lock = hang ? await lockedSeals() : undefined;
      const waiting = refusalOf(watcher.messages.next());
      expect(await questionsAsked()).not.toEqual([]);
      leaving.abort();
      expect(await waiting).toMatchObject({ code: 'Canceled' });
      await lock?.[Symbol.asyncDispose]();
      expect(await questionsAsked()).toEqual([]);
    }
  });

  it('ends with UNAVAILABLE when its database is lost in the middle', async () => {
    await sealed(1);
    const watcher = watch(0n);
    expect(await watcher.take(2)).toHaveLength(2);
    await using _ = await lockedSeals();
    const waiting = refusalOf(watcher.messages.next());
    await new Promise((resolve) => setTimeout(resolve, 400));
    audit.reads.primary.pool.cut();
    expect(await waiting).toMatchObject({ code: 'Unavailable', reason: 'DATABASE_UNAVAILABLE' });
  });

  it('follows a replica', async () => {
    const ids = await sealed(2);
    // It may still have the records of the tests before.
    await replicaHasCaughtUp();
    const watcher = watch(0n, { headers: {} });
    const records: string[] = [];
    while (records.length < 2) {
      const message = await watcher.next();
      if (!message.startsWith('caughtUp')) records.push(message);
    }
    expect(records).toEqual(ids.map((id, index) => `${index + 1} ${id}`));
  });

  it('needs audit.read, and a place that can be', async () => {
    const asOperator = watch(0n, { headers: { 'test-role': 'operator' } });
    expect(await refusalOf(asOperator.messages.next())).toMatchObject({ code: 'PermissionDenied' });
    expect(await refusalOf(watch(-1n).messages.next())).toMatchObject({ fields: ['after_sequence'] });
  });
});

async function replicaHasCaughtUp(): Promise<void> {
  const [primary] = await audit.database.query<{ position: string }>('select pg_current_wal_lsn()::text as position');
  const client = new pg.Client(audit.database.connections.replicas[0]);
  await client.connect();
  await eventually(async () => {
    const { rows } = await client.query('select pg_last_wal_replay_lsn() >= $1::pg_lsn as is_there', [primary?.position]);
    expect(rows).toEqual([{ is_there: true }]);
  });
  await client.end();
}

/** Has every reader of the seals wait until it is disposed of. */
async function lockedSeals(): Promise<AsyncDisposable> {
  const client = new pg.Client(audit.database.connections.owner);
  await client.connect();
  await client.query('begin');
  await client.query('lock table cqrs.command_seal in access exclusive mode');
  let held = true;
  return {
    [Symbol.asyncDispose]: async () => {
      if (held) await client.end();
      held = false;
    },
  };
}

/** What is asked of the seals while a few polls would be due. */
async function questionsAsked(): Promise<string[]> {
  const asked: string[] = [];
  NamedStatementClient.listener = (text) => asked.push(text);
  await new Promise((resolve) => setTimeout(resolve, 800));
  NamedStatementClient.listener = undefined;
  return asked.filter((text) => text.includes('command_seal'));
}
