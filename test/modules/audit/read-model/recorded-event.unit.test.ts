import { create, createRegistry } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import {
  file_users_v1_events,
  UserCreatedSchema,
  UserPasswordChangedSchema,
  UserRoleGrantedSchema,
} from '#gen/users/v1/events_pb.js';
import type { EventMessage } from '../../../../src/kernel/database/write/aggregate-type.ts';
import { toStoredEvent } from '../../../../src/kernel/database/write/stored-event.ts';
import { type EventRow, toRecordedEvent } from '../../../../src/modules/audit/read-model/recorded-event.ts';

const eventTypes = createRegistry(file_users_v1_events);
const stored = (event: EventMessage): EventRow => ({ id: 'an id', aggregate_version: 3, ...toStoredEvent(event) });
const created = stored({ schema: UserCreatedSchema, message: create(UserCreatedSchema, { email: 'a@b.c', name: 'Ada' }) });

describe('toRecordedEvent', () => {
  it('joins what was stored apart', () => {
    expect(toRecordedEvent(created, eventTypes)).toEqual({
      eventId: 'an id',
      type: 'users.v1.UserCreated',
      aggregateVersion: 3n,
      payload: { email: 'a@b.c', name: 'Ada' },
      personalErased: false,
    });
  });

  it('shows what is left when the personal part was erased', () => {
    expect(toRecordedEvent({ ...created, personal: null }, eventTypes)).toMatchObject({ payload: {}, personalErased: true });
  });

  it('does not call erased what never was personal', () => {
    const granted = stored({ schema: UserRoleGrantedSchema, message: create(UserRoleGrantedSchema, { role: 'admin' }) });
    expect(toRecordedEvent(granted, eventTypes)).toMatchObject({ payload: { role: 'admin' }, personalErased: false });
    const changed = stored({ schema: UserPasswordChangedSchema, message: create(UserPasswordChangedSchema) });
    expect(toRecordedEvent(changed, eventTypes)).toMatchObject({ payload: {}, personalErased: false });
  });

  it('leaves the payload unset when it does not know the type or cannot read the bytes', () => {
    expect(toRecordedEvent({ ...created, type: 'old.v1.Gone' }, eventTypes)).not.toHaveProperty('payload');
    expect(toRecordedEvent({ ...created, payload: Buffer.from([0xff]) }, eventTypes)).not.toHaveProperty('payload');
  });
});
