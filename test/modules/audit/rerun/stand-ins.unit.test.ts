import { create, type DescMessage, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../../gen/users/v1/command_service_pb.js';
import { application } from '../../../../src/app.ts';
import { isSecret, redact } from '../../../../src/kernel/bus/redaction.ts';
import { requestValidator } from '../../../../src/kernel/contracts/request-validator.ts';
import { withStandIns } from '../../../../src/modules/audit/rerun/stand-ins.ts';
import { FieldsSchema, UnknowableSchema } from '../../../gen/standins/v1/fields_pb.js';
import { PASSWORD } from '../../../support/people.ts';

const commandId = '019ab3a0-0000-7000-8000-000000000001';
const { createUser, changePassword, suspendUser } = CommandService.method;
const person = { email: 'ada@example.org', name: 'Ada', password: PASSWORD };
const recorded = redact(createUser.input, create(createUser.input, person));

const gaps = { commandId, personalErased: false, invalid: false };
const validator = requestValidator();

/** What is redacted in a request of the type. */
const secretsOf = (type: DescMessage): JsonObject =>
  Object.fromEntries(type.fields.filter(isSecret).map(({ jsonName }) => [jsonName, '[redacted]']));

/** What the rules say of these fields: of others, nothing was filled in. */
function problemsOf(type: DescMessage, request: JsonObject, names: readonly string[]): string[] {
  const result = validator.validate(type, fromJson(type, request));
  if (result.kind === 'valid') return [];
  if (result.kind === 'error') throw result.error;
  return result.violations
    .map(String)
    .filter((text) => names.some((name) => text.startsWith(name) || text.startsWith(snake(name))));
}

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

describe('withStandIns', () => {
  it('leaves what is on record as it is', () => {
    const request = { ...recorded.message, ...recorded.personal };
    const rebuilt = withStandIns(createUser.input, request, { commandId, personalErased: false, invalid: false });
    expect(rebuilt.request).toEqual({ ...person, password: `stand-in ${commandId}` });
    expect(rebuilt.standIns).toEqual(['password']);
  });

  it('fills what was erased and what is secret, so that every command takes it: a field without a stand-in needs an `example` in its rules', () => {
    for (const { service } of application.modules.flatMap(({ services }) => services)) {
      for (const method of service.methods) {
        const { request, without } = withStandIns(method.input, secretsOf(method.input), { ...gaps, personalErased: true });
        expect([method.name, without]).toEqual([method.name, []]);
        expect([method.name, problemsOf(method.input, request, Object.keys(request))]).toEqual([method.name, []]);
      }
    }
  });

  it('keeps the rules of fields of every kind', () => {
    const { request, standIns, without } = withStandIns(
      FieldsSchema,
      { password: '[redacted]' },
      { ...gaps, personalErased: true },
    );
    expect(without).toEqual([]);
    expect(standIns).toHaveLength(FieldsSchema.fields.length);
    expect(
      problemsOf(
        FieldsSchema,
        request,
        FieldsSchema.fields.map(({ jsonName }) => jsonName),
      ),
    ).toEqual([]);
    expect(request).toMatchObject({
      name: 'stand-in 0',
      choice: 'left',
      mail: `${commandId}@stand-in.invalid`,
      iban: expect.stringMatching('GB33'),
    });
  });

  it('names a field for which it knows none, and leaves it out', () => {
    const { request, without } = withStandIns(UnknowableSchema, {}, { ...gaps, personalErased: true });
    expect([request, without]).toEqual([{}, ['riddle']]);
  });

  it('makes others for another command', () => {
    const erased = { personalErased: true, invalid: false };
    const request = { userId: commandId };
    const one = withStandIns(suspendUser.input, request, { ...erased, commandId });
    const other = withStandIns(suspendUser.input, request, { ...erased, commandId: commandId.replace('1', '2') });
    expect(one.request.reason).not.toBe(other.request.reason);
  });

  it('breaks the rules where something did, and it may have been what is missing', () => {
    const request = { userId: commandId, currentPassword: '[redacted]', newPassword: '[redacted]' };
    const rebuilt = withStandIns(changePassword.input, request, { commandId, personalErased: false, invalid: true });
    const result = validator.validate(changePassword.input, fromJson(changePassword.input, rebuilt.request));
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
