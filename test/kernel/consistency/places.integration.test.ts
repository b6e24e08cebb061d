import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { PLACE, placeOf } from '../../../src/kernel/database/commit-query.ts';
import { askPosition } from '../../../src/kernel/database/read/log-position.ts';
import { standingOf } from '../../../src/kernel/database/read/timelines.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

/** Where a page begins with the longer of its two headers; on other pages a record can end there. */
const LONG_HEADER = 40n;
const PAGE = 8192n;

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client(database.connections.writer);
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

it('a primary that has committed has what the command was told of, wherever in a page the record ends', async () => {
  for (let ended = -1n; ended !== LONG_HEADER; ) {
    // Flushed, as a commit is, and of another length each time.
    const length = Math.floor(Math.random() * 1_000);
    await client.query('select pg_logical_emit_message(false, $1, repeat($1, $2), true)', ['x', length]);
    const { rows } = await client.query<{ lsn: string; timeline: string; at: string }>(
      `select ${PLACE}, pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0') as at`,
    );
    const [row] = rows;
    const place = placeOf(row?.lsn, row?.timeline, 0n);
    const position = await askPosition(client, '0');
    expect(position && standingOf(place, position, new Map())).toBe('has it');
    ended = BigInt(row?.at ?? 0) % PAGE;
  }
});
