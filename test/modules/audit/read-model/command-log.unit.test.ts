import { create, toJson } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { CommandRecordSchema, Outcome } from '#gen/audit/v1/command_record_pb.js';
import { outcomeName, type RecordRow, toCommandRecord } from '../../../../src/modules/audit/read-model/command-log.ts';

const ROW: RecordRow = {
  command_id: '019ab3a0-0000-7000-8000-000000000001',
  received_at: new Date('2026-11-24T10:00:00.123Z'),
  method: 'users.v1.CommandService/ChangeName',
  principal: 'somebody',
  roles: ['admin'],
  session: '019ab3a0-0000-7000-8000-000000000004',
  request: { userId: 'one' },
  personal: { salt: 'c2FsdA==', fields: { name: 'Ada' } },
  personal_erased: false,
  outcome: 'succeeded',
  code: 'OK',
  reason: '',
  dry_run: false,
  answered_by: null,
  aggregate_type: 'users.v1.User',
  aggregate_id: '019ab3a0-0000-7000-8000-000000000002',
  version_before: 1,
  version_after: 2,
  event_ids: ['019ab3a0-0000-7000-8000-000000000003'],
  attempts: 2,
  duration_us: 1_500_250,
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  peer: '192.0.2.1:4711',
  user_agent: 'grpc-node',
  issuer: 'bicameral',
  request_excerpt: true,
  causation_id: '019ab3a0-0000-7000-8000-000000000005',
  correlation_id: '019ab3a0-0000-7000-8000-000000000006',
  sequence: '9007199254740993',
};

const json = (row: RecordRow) => toJson(CommandRecordSchema, create(CommandRecordSchema, toCommandRecord(row)));

describe('toCommandRecord', () => {
  it('says all that the row says', () => {
    expect(json(ROW)).toEqual({
      commandId: ROW.command_id,
      sequence: '9007199254740993',
      method: 'users.v1.CommandService/ChangeName',
      principal: 'somebody',
      roles: ['admin'],
      session: ROW.session,
      request: { userId: 'one', name: 'Ada' },
      outcome: 'OUTCOME_SUCCEEDED',
      code: 'OK',
      aggregateType: 'users.v1.User',
      aggregateId: ROW.aggregate_id,
      versionBefore: '1',
      versionAfter: '2',
      eventIds: ROW.event_ids,
      attempts: 2,
      receivedAt: '2026-11-24T10:00:00.123Z',
      duration: '1.500250s',
      traceId: ROW.trace_id,
      peer: '192.0.2.1:4711',
      userAgent: 'grpc-node',
      issuer: 'bicameral',
      requestExcerpt: true,
      causationId: ROW.causation_id,
      correlationId: ROW.correlation_id,
    });
  });

  it('leaves unset what is not there', () => {
    const bare = {
      ...ROW,
      request_excerpt: null,
      request: null,
      personal: null,
      aggregate_type: null,
      aggregate_id: null,
      event_ids: [],
    };
    const record = json({ ...bare, version_before: null, version_after: null, sequence: null });
    expect(record).not.toHaveProperty('request');
    expect(record).not.toHaveProperty('sequence');
    expect(record).not.toHaveProperty('versionBefore');
    expect(record).not.toHaveProperty('aggregateId');
    expect(record).not.toHaveProperty('requestExcerpt');
  });

  it('tells a version of 0 from none', () => {
    expect(json({ ...ROW, version_before: 0 })).toMatchObject({ versionBefore: '0' });
  });
});

it('every column that is not hidden is shown: a new one has a field of its name, or is made into one', () => {
  const makes = { duration_us: 'duration', personal: 'request' } as Readonly<Record<string, string>>;
  const fields = CommandRecordSchema.fields.map(({ name }) => name);
  const unseen = Object.keys(ROW).filter((column) => !fields.includes(makes[column] ?? column));
  expect(unseen).toEqual([]);
});

describe('outcomeName', () => {
  it('knows every outcome of the contract, and none for the unspecified one', () => {
    const outcomes = Object.values(Outcome).filter((value) => typeof value === 'number');
    const names = outcomes.map((outcome) => outcomeName(outcome));
    expect(names[0]).toBeUndefined();
    expect(new Set(names.slice(1)).size).toBe(outcomes.length - 1);
    expect(names.slice(1)).not.toContain(undefined);
  });
});
