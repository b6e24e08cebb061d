import { AsyncLocalStorage } from 'node:async_hooks';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPool } from '../../../src/kernel/database/pool.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe('a connection', () => {
  it('is opened as part of no call, and given to the call that asks for it', async () => {
    const calls = new AsyncLocalStorage<string>();
    const pool = createPool(database.connections.reader, { name: 'opening', max: 2, readOnly: true });
    const openedBy: unknown[] = [];
    pool.on('connect', () => openedBy.push(calls.getStore()));

    const first = await calls.run('a call', async () => {
      const client = await pool.connect();
      expect(calls.getStore()).toBe('a call');
      return client;
    });
    const second = Promise.withResolvers<unknown>();
    calls.run('another call', () =>
      pool.connect((_, __, done) => {
        second.resolve(calls.getStore());
        done();
      }),
    );

    expect(await second.promise).toBe('another call');
    expect(openedBy).toEqual([undefined, undefined]);
    first.release();
    await pool.close();
  });
});
