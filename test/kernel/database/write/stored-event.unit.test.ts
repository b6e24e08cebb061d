import { create, fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { UserCreatedSchema, UserPasswordChangedSchema, UserRoleGrantedSchema } from '../../../../gen/users/v1/events_pb.js';
import { toStoredEvent } from '../../../../src/kernel/database/write/stored-event.ts';

describe('toStoredEvent', () => {
  it('keeps what is personal apart, and both parts together are the whole', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (email, name) => {
        const message = create(UserCreatedSchema, { email, name });
        const { type, payload, personal } = toStoredEvent({ schema: UserCreatedSchema, message });
        expect(type).toBe('users.v1.UserCreated');
        expect(fromBinary(UserCreatedSchema, payload)).toEqual(create(UserCreatedSchema));
        expect(fromBinary(UserCreatedSchema, Buffer.concat([payload, personal ?? Buffer.alloc(0)]))).toEqual(message);
      }),
    );
  });

  it('has nothing personal where the contract marks nothing', () => {
    const granted = create(UserRoleGrantedSchema, { role: 'admin' });
    const { payload, personal } = toStoredEvent({ schema: UserRoleGrantedSchema, message: granted });
    expect(personal).toBeNull();
    expect(fromBinary(UserRoleGrantedSchema, payload)).toEqual(granted);
    const empty = toStoredEvent({ schema: UserPasswordChangedSchema, message: create(UserPasswordChangedSchema) });
    expect(empty).toMatchObject({ personal: null, payload: Buffer.alloc(0) });
  });
});
