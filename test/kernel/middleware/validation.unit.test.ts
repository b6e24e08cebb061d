import { create, createFileRegistry, type DescMethod, setExtension } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { FieldRulesSchema, field as fieldRules } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { InvalidRequest } from '../../../src/kernel/bus/errors.ts';
import { validation } from '../../../src/kernel/middleware/validation.ts';
import { QueryService as ConformanceQueries } from '../../gen/conformance/v1/conformance_pb.js';
import { callTo, pass } from './test-call.ts';

async function violationsOf(method: DescMethod, request: Record<string, unknown>) {
  const error = await pass(validation(), callTo(method, { request })).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InvalidRequest);
  return (error as InvalidRequest).violations;
}

const prepare = (method: DescMethod) => validation().around(method, 'query');

describe('validation', () => {
  it('passes a request that keeps the rules', async () => {
    const request = { email: 'ada@example.com', name: 'Ada', password: 'seven green lamps hum' };
    await pass(validation(), callTo(CommandService.method.createUser, { request }));
  });

  it('lists every rule that is broken, by field and rule', async () => {
    expect(await violationsOf(CommandService.method.createUser, { email: 'ada', name: 'A\u0000', password: 'short' })).toEqual([
      { field: 'email', rule: 'string.email', description: expect.any(String) },
      { field: 'name', rule: 'string.plain', description: expect.any(String) },
      { field: 'password', rule: 'string.min_len', description: 'must be at least 15 characters' },
    ]);
  });

  it('names a rule about the whole message without a field', async () => {
    expect(await violationsOf(QueryService.method.listUsers, { page: 2, pageToken: 'x' })).toEqual([
      { field: '', rule: 'list_users.page_or_token', description: 'give page or page_token, not both' },
    ]);
  });

  it('quotes no value of the request', async () => {
    const request = { userId: 'secret-1', currentPassword: 'secret-2'.repeat(20), newPassword: 'secret-3' };
    const violations = await violationsOf(CommandService.method.changePassword, request);
    expect(violations).toHaveLength(3);
    expect(JSON.stringify(violations)).not.toContain('secret-');
  });

  it('does not look at a request whose type has no rules', async () => {
    const call = callTo(ConformanceQueries.method.count);
    // The validator would refuse even to look at it.
    Object.assign(call.request, { $typeName: 'another.Type' });
    await pass(validation(), call);
  });

  it('prepares the rules of methods, and finds one that does not compile', () => {
    for (const method of [...CommandService.methods, ...QueryService.methods]) prepare(method);
    expect(() => prepare(methodWithRule('this.nonsense('))).toThrow(/failed to compile/);
  });
});

describe('validation by CEL', () => {
  it('refuses values that a rule cannot be computed for', async () => {
    const [violation] = await violationsOf(methodWithRule('this[3] == "d"'), { texts: ['a'] });
    expect(violation).toEqual({ field: '', description: 'a rule cannot be computed for these values' });
  });

  it('prepares a rule that cannot be computed for an empty message', () => {
    prepare(methodWithRule('this[3] == "d"'));
  });

  it('shows a text that the rule computes', async () => {
    const [violation] = await violationsOf(methodWithRule('"not " + this[0]'), { texts: ['cheese'] });
    expect(violation).toEqual({ field: 'texts', rule: 'custom', description: 'not cheese' });
  });

  it('does not show it for a secret', async () => {
    const [violation] = await violationsOf(methodWithRule('"not " + this[0]', { secret: true }), { texts: ['hunter2'] });
    expect(violation).toEqual({ field: 'texts', rule: 'custom', description: 'breaks the rule custom' });
  });

  it('lists the first of many violations and counts the rest', async () => {
    const texts = Array.from({ length: 1000 }, () => 'long');
    const violations = await violationsOf(methodWithRule('true', { maxLength: 3n }), { texts });
    expect(violations).toHaveLength(20);
    expect(violations[18]).toMatchObject({ field: 'texts[18]', rule: 'string.max_len' });
    expect(violations[19]).toEqual({ field: '', description: 'and 981 more' });
  });
});

/** An rpc whose request is `repeated string texts` with the rule. */
function methodWithRule(expression: string, { secret = false, maxLength = 100n } = {}): DescMethod {
  const options = create(FieldOptionsSchema, { debugRedact: secret });
  const rules = create(FieldRulesSchema, {
    cel: [{ id: 'custom', expression }],
    type: {
      case: 'repeated',
      value: { items: { type: { case: 'string', value: { maxLen: maxLength } } } },
    },
  });
  setExtension(options, fieldRules, rules);
  const file = create(FileDescriptorProtoSchema, {
    name: 'ruled.proto',
    syntax: 'proto3',
    messageType: [
      {
        name: 'Ruled',
        field: [
          {
            name: 'texts',
            number: 1,
            type: FieldDescriptorProto_Type.STRING,
            label: FieldDescriptorProto_Label.REPEATED,
            options,
          },
        ],
      },
    ],
    service: [{ name: 'QueryService', method: [{ name: 'Ask', inputType: '.Ruled', outputType: '.Ruled' }] }],
  });
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  const method = registry.getService('QueryService')?.methods[0];
  if (!method) throw new Error('no method');
  return method;
}
