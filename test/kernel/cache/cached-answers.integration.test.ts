import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { QueryService as UsersQueryService } from '#gen/users/v1/query_service_pb.js';
import { application } from '../../../src/app.ts';
import type { Application } from '../../../src/kernel/service.ts';
import { roles } from '../../../src/roles.ts';
import { startTestCluster, type TestCluster } from '../../../src/testing/service/test-cluster.ts';
import { CommandService, QueryService } from '../../gen/notes/v1/notes_pb.js';
import { notes } from '../../modules/notes/module.ts';
import { cacheResults } from '../../support/cache-results.ts';
import { createTestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';
import { signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

const GET_NOTE = 'notes.v1.QueryService/GetNote';

/** Its answers are kept for a day, so that nothing but an event ends one while a test waits. */
const notebook: Application = {
  ...application,
  modules: [...application.modules, notes],
  roles: { ...roles, reader: ['notes.read'] },
};

const stack = new AsyncDisposableStack();
let cluster: TestCluster;
let replica: pg.Client;
let one: TestApp;
let other: TestApp;
let writerId: string;

beforeAll(async () => {
  cluster = await startTestCluster();
  stack.defer(() => cluster.stop());
  const [connection] = cluster.connections.replicas;
  replica = new pg.Client({ ...cluster.connections.superuser, ...pick(connection) });
  await replica.connect();
  stack.defer(() => replica.end());
  one = await startTestApp({ as: notebook, on: await createTestDatabase(cluster.connections) });
  stack.defer(() => one.stop());
  other = await startTestApp({ as: notebook, beside: one });
  stack.defer(() => other.stop());
  writerId = (await signUp(one)).id;
});
afterAll(() => stack.disposeAsync());

const pick = (connection: { host?: string | undefined; port?: number | undefined } | undefined) => ({
  host: connection?.host,
  port: connection?.port,
});

const writerOn = (app: TestApp) => app.client(CommandService, { roles: [], id: writerId });
const readerOn = (app: TestApp) => app.client(QueryService, { roles: ['reader'] });
const textOn = async (app: TestApp, noteId: string): Promise<string> => (await readerOn(app).getNote({ noteId })).text;

async function addNote(text: string): Promise<string> {
  const { noteId } = await writerOn(one).addNote({ text });
  return noteId;
}

/** Reads a note until it is answered from memory. */
async function kept(app: TestApp, noteId: string): Promise<void> {
  const before = (await cacheResults(app, GET_NOTE)).hit ?? 0;
  await eventually(async () => {
    await textOn(app, noteId);
    expect((await cacheResults(app, GET_NOTE)).hit).toBeGreaterThan(before);
  });
}

describe('an answer that is kept', () => {
  it('ends on every instance when an event comes that can have changed it, and others stay', async () => {
    const [changed, unchanged] = [await addNote('first'), await addNote('other')];
    for (const app of [one, other]) for (const noteId of [changed, unchanged]) await kept(app, noteId);
    await writerOn(other).changeNote({ noteId: changed, text: 'second' });
    for (const app of [one, other]) await eventually(async () => expect(await textOn(app, changed)).toBe('second'));
    for (const app of [one, other]) await kept(app, changed);
    const { miss } = await cacheResults(one, GET_NOTE);
    await textOn(one, unchanged);
    expect((await cacheResults(one, GET_NOTE)).miss).toBe(miss);
  });

  it('is of the replica that it was read from, and ends when that has the event', async () => {
    const noteId = await addNote('before');
    for (const app of [one, other]) await kept(app, noteId);
    await replica.query('select pg_wal_replay_pause()');
    try {
      await writerOn(one).changeNote({ noteId, text: 'after' });
      // What is read from the replica meanwhile is as old, and must not stay when it goes on.
      for (const app of [one, other]) expect(await textOn(app, noteId)).toBe('before');
    } finally {
      await replica.query('select pg_wal_replay_resume()');
    }
    for (const app of [one, other]) await eventually(async () => expect(await textOn(app, noteId)).toBe('after'));
    for (const app of [one, other]) await kept(app, noteId);
    expect(await textOn(one, noteId)).toBe('after');
  });

  it('is not given to a call whose token tells of something newer, and is given when it is new enough', async () => {
    const noteId = await addNote('before');
    await kept(one, noteId);
    await replica.query('select pg_wal_replay_pause()');
    let token = '';
    const headers = () => ({ headers: { 'cqrs-consistency-token': token } });
    try {
      await writerOn(other).changeNote(
        { noteId, text: 'after' },
        { onHeader: (header) => (token = header.get('cqrs-consistency-token') ?? '') },
      );
      expect(token).not.toBe('');
      expect(await textOn(one, noteId)).toBe('before');
      expect((await readerOn(one).getNote({ noteId }, headers())).text).toBe('after');
    } finally {
      await replica.query('select pg_wal_replay_resume()');
    }
    const before = (await cacheResults(one, GET_NOTE)).hit ?? 0;
    await eventually(async () => {
      expect((await readerOn(one).getNote({ noteId }, headers())).text).toBe('after');
      expect((await cacheResults(one, GET_NOTE)).hit).toBeGreaterThan(before);
    });
    // The caller goes on with a token that is no older than its own.
    let next = '';
    await readerOn(one).getNote(
      { noteId },
      { ...headers(), onHeader: (header) => (next = header.get('cqrs-consistency-token') ?? '') },
    );
    token = next;
    expect((await readerOn(other).getNote({ noteId }, headers())).text).toBe('after');
  });

  it('of an async projection ends when the projection has handled the event', async () => {
    const statisticsOn = (app: TestApp) => app.client(UsersQueryService, { roles: ['auditor'] }).getUserStatistics({});
    const GET_STATISTICS = 'users.v1.QueryService/GetUserStatistics';
    const hits = async (app: TestApp): Promise<number> => (await cacheResults(app, GET_STATISTICS)).hit ?? 0;
    for (const app of [one, other]) {
      const before = await hits(app);
      await eventually(async () => {
        await statisticsOn(app);
        expect(await hits(app)).toBeGreaterThan(before);
      });
    }
    const { activeUsers } = await statisticsOn(one);
    await signUp(one);
    for (const app of [one, other]) {
      await eventually(async () => expect((await statisticsOn(app)).activeUsers).toBe(activeUsers + 1n));
      const before = await hits(app);
      await eventually(async () => {
        expect((await statisticsOn(app)).activeUsers).toBe(activeUsers + 1n);
        expect(await hits(app)).toBeGreaterThan(before);
      });
    }
  });

  it('is never older for good than the database, however reads and writes of two instances fall, on a replica that falls behind', async () => {
    const noteIds = await Promise.all(Array.from({ length: 5 }, (_, index) => addNote(`note ${index}`)));
    const newest = new Map<string, string>();
    let isWriting = true;
    const stalling = (async () => {
      while (isWriting) {
        await replica.query('select pg_wal_replay_pause()');
        await replica.query('select pg_sleep(0.03)');
        await replica.query('select pg_wal_replay_resume()');
        await replica.query('select pg_sleep(0.03)');
      }
    })();
    const reading = [one, other, one, other].map(async (app) => {
      while (isWriting) for (const noteId of noteIds) await textOn(app, noteId);
    });
    const writing = noteIds.map(async (noteId, index) => {
      for (let round = 0; round < 60; round += 1) {
        const text = `note ${index}, round ${round}`;
        await writerOn(round % 2 === 0 ? one : other).changeNote({ noteId, text });
        newest.set(noteId, text);
      }
    });
    await Promise.all(writing).finally(() => {
      isWriting = false;
    });
    await Promise.all([stalling, ...reading]);
    for (const app of [one, other]) {
      for (const noteId of noteIds) {
        await eventually(async () => expect(await textOn(app, noteId)).toBe(newest.get(noteId)));
        await kept(app, noteId);
        expect(await textOn(app, noteId)).toBe(newest.get(noteId));
      }
    }
  });
});
