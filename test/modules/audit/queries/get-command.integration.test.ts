import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Outcome } from '#gen/audit/v1/command_record_pb.js';
import { ResourceInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { UserEmailChangedSchema, UserRoleGrantedSchema } from '#gen/users/v1/events_pb.js';
import { toStoredEvent } from '../../../../src/kernel/database/write/stored-event.ts';
import { addRecord, idAt, sealRecords } from '../../../support/command-records.ts';
import { refusalOf } from '../../../support/errors.ts';
import { type AuditQueries, startAuditQueries } from '../audit-queries.ts';

const strong = { headers: { 'cqrs-consistency': 'strong' } };
const USER = '019ab3a0-0000-7000-8000-00000000000a';

let audit: AuditQueries;
beforeAll(async () => {
  audit = await startAuditQueries();
});
afterAll(() => audit.stop());

/** Stores an event as the unit of work does, and answers its id. */
async function addEvent<D extends DescMessage>(commandId: string, version: number, schema: D, value: MessageInitShape<D>) {
  const id = idAt(Date.now());
  const { type, payload, personal } = toStoredEvent({ schema, message: create(schema, value) });
  await audit.database.query(
    `insert into cqrs.event (id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
     values ($1, $2, $3, $4, 'users.v1.User', $5, $6, $7, '', now())`,
    [id, type, payload, personal, USER, version, commandId],
  );
  return id;
}

describe('getCommand', () => {
  it('answers the record, with what was personal in it, and its place in the log', async () => {
    const commandId = await addRecord(audit.database, {
      receivedAt: '2026-12-24T18:00:00.123Z',
      principal: USER,
      roles: ['admin', 'auditor'],
      request: { user_id: USER, expected_version: '3' },
      personal: { salt: 'c2FsdA==', fields: { email: 'ada@example.org' } },
      personalDigest: Buffer.from('digest'),
      outcome: 'rejected',
      code: 'ALREADY_EXISTS',
      reason: 'EMAIL_TAKEN',
      dryRun: true,
      durationUs: 2_345_678,
    });
    const unsealed = await audit.client.getCommand({ commandId }, strong);
    expect(unsealed.command?.sequence).toBeUndefined();
    await sealRecords(audit.database);
    const { command, events } = await audit.client.getCommand({ commandId: commandId.toUpperCase() }, strong);
    expect(command).toMatchObject({
      commandId,
      sequence: 1n,
      principal: USER,
      roles: ['admin', 'auditor'],
      request: { user_id: USER, expected_version: '3', email: 'ada@example.org' },
      personalErased: false,
      outcome: Outcome.REJECTED,
      code: 'ALREADY_EXISTS',
      reason: 'EMAIL_TAKEN',
      dryRun: true,
      receivedAt: { seconds: BigInt(Date.parse('2026-12-24T18:00:00Z') / 1000), nanos: 123_000_000 },
      duration: { seconds: 2n, nanos: 345_678_000 },
    });
    expect(events).toEqual([]);
  });

  it('says so when what was personal was erased, and shows the rest', async () => {
    const values = { request: { user_id: USER }, personal: null };
    const erased = await addRecord(audit.database, { ...values, personalDigest: Buffer.from('digest') });
    const never = await addRecord(audit.database, values);
    expect((await audit.client.getCommand({ commandId: erased }, strong)).command).toMatchObject({
      request: { user_id: USER },
      personalErased: true,
    });
    expect((await audit.client.getCommand({ commandId: never }, strong)).command?.personalErased).toBe(false);
  });

  it('answers the events of the command in order, without those of others', async () => {
    const commandId = idAt(Date.now());
    const first = await addEvent(commandId, 4, UserEmailChangedSchema, { email: 'ada@example.org' });
    await addEvent(idAt(Date.now()), 5, UserRoleGrantedSchema, { role: 'other' });
    const second = await addEvent(commandId, 5, UserRoleGrantedSchema, { role: 'auditor' });
    await addRecord(audit.database, { commandId, receivedAt: timeOf(commandId), eventIds: [second, first] });
    const { command, events } = await audit.client.getCommand({ commandId }, strong);
    expect(command?.eventIds).toEqual([second, first]);
    expect(events).toMatchObject([
      { eventId: first, type: 'users.v1.UserEmailChanged', aggregateVersion: 4n, payload: { email: 'ada@example.org' } },
      { eventId: second, type: 'users.v1.UserRoleGranted', aggregateVersion: 5n, payload: { role: 'auditor' } },
    ]);

    await audit.database.query('update cqrs.event set personal = null where id = $1', [first]);
    const { events: left } = await audit.client.getCommand({ commandId }, strong);
    expect(left).toMatchObject([
      { payload: {}, personalErased: true },
      { payload: { role: 'auditor' }, personalErased: false },
    ]);
  });

  it.each([
    ['of another time', idAt(Date.parse('2026-12-24T18:00:00.123Z'))],
    ['that is no UUIDv7', 'ffffffff-ffff-4fff-bfff-ffffffffffff'],
  ])('knows no command with an id %s', async (_, commandId) => {
    expect(await refusalOf(audit.client.getCommand({ commandId }))).toMatchObject({
      code: 'NotFound',
      reason: 'COMMAND_NOT_FOUND',
    });
    const error = await audit.client.getCommand({ commandId }).catch((reason: unknown) => reason);
    const details = error instanceof ConnectError ? error.details : [];
    expect(details).toContainEqual(
      expect.objectContaining({
        desc: ResourceInfoSchema,
        value: expect.objectContaining({ resourceType: 'audit.v1.CommandRecord', resourceName: commandId }),
      }),
    );
  });

  it('refuses what is no id, and needs audit.read before it says whether there is a record', async () => {
    expect(await refusalOf(audit.client.getCommand({ commandId: 'x' }))).toMatchObject({ fields: ['command_id'] });
    const unknown = { commandId: idAt(Date.now()) };
    const asOperator = { headers: { 'test-role': 'operator' } };
    expect(await refusalOf(audit.client.getCommand(unknown, asOperator))).toMatchObject({ code: 'PermissionDenied' });
  });

  it('finds on a replica that is behind what the primary already has', async () => {
    for (let round = 0; round < 10; round += 1) {
      const commandId = await addRecord(audit.database);
      expect((await audit.client.getCommand({ commandId })).command?.commandId).toBe(commandId);
    }
  });
});

const timeOf = (id: string): number => Number.parseInt(id.replace('-', '').slice(0, 12), 16);
