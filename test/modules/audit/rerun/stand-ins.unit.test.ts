import { create, createRegistry, fromJson } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { describe, expect, it } from '@jest/globals';
import { file_cqrs_v1_text as textRules } from '#gen/cqrs/v1/text_pb.js';
import { CommandService } from '../../../../gen/users/v1/command_service_pb.js';
import { redact } from '../../../../src/kernel/bus/redaction.ts';
import { withStandIns } from '../../../../src/modules/audit/rerun/stand-ins.ts';
import { PASSWORD } from '../../../support/people.ts';

const commandId = '019ab3a0-0000-7000-8000-000000000001';
const { createUser, changePassword, suspendUser } = CommandService.method;
const person = { email: 'ada@example.org', name: 'Ada', password: PASSWORD };
const recorded = redact(createUser.input, create(createUser.input, person));

describe('withStandIns', () => {
  it('leaves what is on record as it is', () => {
    const request = { ...recorded.message, ...recorded.personal };
    const rebuilt = withStandIns(createUser.input, request, { commandId, personalErased: false, invalid: false });
    expect(rebuilt.request).toEqual({ ...person, password: `stand-in ${commandId}` });
    expect(rebuilt.standIns).toEqual(['password']);
  });

  it('fills what was erased, so that every method of users takes it', () => {
    const validator = createValidator({ registry: createRegistry(textRules) });
    const gaps = { commandId, personalErased: true, invalid: false };
    for (const method of CommandService.methods) {
      const message = create(method.input) as object;
      const values: Record<string, unknown> = { userId: commandId, role: 'admin', expectedVersion: 1n };
      const secrets = Object.fromEntries(
        ['password', 'currentPassword', 'newPassword', 'refreshToken'].map((name) => [name, PASSWORD]),
      );
      const known = Object.fromEntries(
        Object.entries({ ...values, ...secrets }).filter(([name]) => name in message || name === 'expectedVersion'),
      );
      const { message: json } = redact(method.input, create(method.input, known));
      const { request } = withStandIns(method.input, json, gaps);
      expect([
        method.name,
        validator.validate(method.input, fromJson(method.input, request, { ignoreUnknownFields: true })),
      ]).toMatchObject([method.name, { kind: 'valid' }]);
    }
  });

  it('makes others for another command', () => {
    const gaps = { personalErased: true, invalid: false };
    const request = { userId: commandId };
    const one = withStandIns(suspendUser.input, request, { ...gaps, commandId });
    const other = withStandIns(suspendUser.input, request, { ...gaps, commandId: commandId.replace('1', '2') });
    expect(one.request.reason).not.toBe(other.request.reason);
  });

  it('breaks the rules where something did, and it may have been what is missing', () => {
    const request = { userId: commandId, currentPassword: '[redacted]', newPassword: '[redacted]' };
    const rebuilt = withStandIns(changePassword.input, request, { commandId, personalErased: false, invalid: true });
    const result = createValidator({ registry: createRegistry(textRules) }).validate(
      changePassword.input,
      fromJson(changePassword.input, rebuilt.request),
    );
    expect(result.kind === 'invalid' && result.violations.map(({ ruleId }) => ruleId)).toEqual([
      'string.max_len',
      'string.max_len',
    ]);
  });

  it('takes a text that only looks like a secret for what it is', () => {
    const request = { userId: commandId, reason: '[redacted]' };
    const { standIns } = withStandIns(suspendUser.input, request, { commandId, personalErased: false, invalid: false });
    expect(standIns).toEqual([]);
  });
});
