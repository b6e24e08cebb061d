import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CommandRecord } from '../../../src/kernel/command-log/command-record.ts';
import { RECORD_COLUMNS, type RecordColumn, type RecordColumnName } from '../../../src/kernel/command-log/record-columns.ts';
import { recordsParameter, STORE_RECORDS } from '../../../src/kernel/command-log/store-records.ts';
import { idAt } from '../../support/command-records.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const receivedAt = new Date('2026-11-24T10:00:00.123Z');
const RECORD: Required<CommandRecord> = {
  commandId: idAt(receivedAt.getTime()),
  receivedAt,
  method: 'a method',
  principal: 'somebody "quoted"',
  roles: ['admin', 'a,b', ''],
  session: 'a session',
  request: '{"b":1, "a":"\\u0007"}',
  requestExcerpt: true,
  personal: '{ "salt":"x" }',
  personalDigest: Buffer.from([0, 1, 255]),
  outcome: 'rejected',
  code: 'NOT_FOUND',
  reason: 'A_REASON',
  dryRun: true,
  answeredBy: idAt(1),
  target: { aggregateType: 'a.Type', aggregateId: idAt(2), versionBefore: 3, versionAfter: 4, eventIds: [idAt(5), idAt(6)] },
  attempts: 7,
  durationUs: 8,
  traceId: 'a trace',
  peer: '192.0.2.1:1',
  userAgent: 'an agent',
  issuer: 'an issuer',
  causationId: idAt(7),
  correlationId: idAt(8),
  owners: [],
};

const columns = Object.entries(RECORD_COLUMNS) as [RecordColumnName, RecordColumn][];

async function stored(record: CommandRecord): Promise<Record<string, unknown> | undefined> {
  await database.query(STORE_RECORDS, [recordsParameter([record])]);
  const texts = columns.map(([name, { type }]) => (type === 'json' ? `${name}::text` : name)).join(', ');
  const [row] = await database.query<Record<string, unknown>>(`select ${texts} from cqrs.command_log where command_id = $1`, [
    record.commandId,
  ]);
  return row;
}

describe('the columns of the record', () => {
  it('are those that the table has, with their types, and may be null where the table lets them be', async () => {
    const rows = await database.query<{ name: string; type: string; nullable: boolean }>(
      `select attname as name, replace(format_type(atttypid, atttypmod), 'timestamp(3) with time zone', 'timestamptz') as type, not attnotnull as nullable
       from pg_attribute where attrelid = 'cqrs.command_log'::regclass and attnum > 0 and not attisdropped order by attnum`,
    );
    expect(columns.map(([name, { type, nullable = false }]) => ({ name, type, nullable }))).toEqual(rows);
  });

  it('hold each property of a record as it is', async () => {
    const { target, owners: _, ...record } = RECORD;
    const values = {
      ...record,
      ...Object.fromEntries(Object.entries(target ?? {}).map(([name, value]) => [`target.${name}`, value])),
    };
    const row = await stored(RECORD);
    for (const [name, { of }] of columns) {
      if (of === undefined) expect([name, row?.[name]]).toEqual([name, expect.stringMatching(/^\d+$/)]);
      else expect([name, row?.[name]]).toEqual([name, values[of as keyof typeof values]]);
    }
  });

  it('are null, and without events, where there is nothing', async () => {
    const nothing = { request: null, personal: null, personalDigest: null, answeredBy: undefined, target: undefined };
    const uncaused = { causationId: null, correlationId: null };
    const row = await stored({ ...RECORD, ...nothing, ...uncaused, commandId: idAt(9) });
    const empty = Object.entries(row ?? {}).flatMap(([name, value]) => (value === null ? [name] : []));
    expect(empty.sort()).toEqual([
      'aggregate_id',
      'aggregate_type',
      'answered_by',
      'causation_id',
      'correlation_id',
      'personal',
      'personal_digest',
      'request',
      'version_after',
      'version_before',
    ]);
    expect(row).toMatchObject({ event_ids: [] });
  });
});
