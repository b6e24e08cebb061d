import { create, createRegistry, type DescMessage, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { ListCommandsRequestSchema } from '#gen/audit/v1/query_service_pb.js';
import { file_cqrs_v1_text as textRules } from '#gen/cqrs/v1/text_pb.js';
import { ChangeNameRequestSchema, CreateUserRequestSchema, GrantRoleRequestSchema } from '#gen/users/v1/command_service_pb.js';
import { ListUsersRequestSchema } from '#gen/users/v1/query_service_pb.js';
import { errorReasons } from '../../../src/kernel/contracts/errors.ts';
import { openApi } from '../../../src/kernel/contracts/open-api.ts';
import { roles } from '../../../src/roles.ts';

const document = JSON.parse(JSON.stringify(openApi({ errors: errorReasons(), roles, version: '1.2.3' })));
const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addSchema(document, 'document');
const rules = createValidator({ registry: createRegistry(textRules) });

function fits(schema: DescMessage, json: unknown): boolean {
  return ajv.validate({ $ref: `document#/components/schemas/${schema.typeName}` }, json) as boolean;
}

describe('the OpenAPI document', () => {
  it('is one, by the schema of OpenAPI 3.1, and all that it refers to is in it', async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(validator.version).toBe('3.1');
    const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name);
    expect(references.length).toBeGreaterThan(50);
    expect(references.filter((name) => !document.components.schemas[name as string])).toEqual([]);
  });

  it('has a query by POST and by GET, and a command by POST', () => {
    const query = document.paths['/users.v1.QueryService/GetUser'];
    expect(Object.keys(query)).toEqual(['post', 'get']);
    expect(query.get.parameters.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['connect', 'encoding', 'message', 'cqrs-consistency']),
    );
    expect(Object.keys(document.paths['/users.v1.CommandService/ChangeName'])).toEqual(['post']);
  });

  it('tells where a token is needed, and which headers are taken and given', () => {
    expect(document.paths['/users.v1.CommandService/CreateUser'].post.security).toEqual([]);
    const changeName = document.paths['/users.v1.CommandService/ChangeName'].post;
    expect(changeName.security).toEqual([{ token: [] }]);
    expect(changeName.parameters.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['idempotency-key', 'cqrs-dry-run', 'connect-timeout-ms']),
    );
    expect(Object.keys(changeName.responses['200'].headers)).toEqual(
      expect.arrayContaining(['cqrs-command-id', 'cqrs-replayed']),
    );
  });

  it('tells the reasons of errors by their HTTP status', () => {
    const { responses } = document.paths['/users.v1.CommandService/CreateUser'].post;
    expect(responses['409'].description).toContain('`EMAIL_TAKEN` (ALREADY_EXISTS)');
    expect(responses['400'].description).toContain('`PASSWORD_COMMON` (INVALID_ARGUMENT)');
    expect(responses['429'].description).toContain('`OVERLOADED` (RESOURCE_EXHAUSTED)');
    expect(responses['503'].description).toContain('`DATABASE_UNAVAILABLE` (UNAVAILABLE)');
  });

  it('has streams as the envelopes that they are', () => {
    const watch = document.paths['/audit.v1.QueryService/WatchCommands'].post;
    expect(Object.keys(watch.requestBody.content)).toEqual(['application/connect+json']);
    expect(Object.keys(watch.responses)).toEqual(['200']);
  });

  const userId = '0190d5a2-7f2b-7c3d-8e4f-5a6b7c8d9e0f';
  const person = { email: 'ada@example.org', name: 'Ada', password: 'seven green lamps hum' };
  it.each<[DescMessage, object, boolean]>([
    [CreateUserRequestSchema, person, true],
    [CreateUserRequestSchema, { ...person, email: 'nowhere' }, false],
    [CreateUserRequestSchema, { ...person, name: '' }, false],
    [CreateUserRequestSchema, { ...person, password: 'short' }, false],
    [CreateUserRequestSchema, {}, false],
    [ChangeNameRequestSchema, { userId, name: 'Ada', expectedVersion: 3n }, true],
    [ChangeNameRequestSchema, { userId: 'me', name: 'Ada' }, false],
    [GrantRoleRequestSchema, { userId, role: 'auditor' }, true],
    [GrantRoleRequestSchema, { userId, role: '' }, false],
    [ListUsersRequestSchema, {}, true],
    [ListUsersRequestSchema, { pageSize: -1 }, false],
    [ListUsersRequestSchema, { page: 100_001 }, false],
    [ListCommandsRequestSchema, { actor: 'a'.repeat(256) }, false],
    [ListCommandsRequestSchema, { method: 'users.v1.CommandService/LogIn' }, true],
  ])('judges as the service does: %s %j', (schema, request, isValid) => {
    const message = create(schema, request as MessageInitShape<DescMessage>);
    expect(rules.validate(schema, message).kind).toBe(isValid ? 'valid' : 'invalid');
    expect(fits(schema, toJson(schema, message))).toBe(isValid);
  });

  it('refuses a field that the contract does not have', () => {
    expect(fits(CreateUserRequestSchema, person)).toBe(true);
    expect(fits(CreateUserRequestSchema, { ...person, nickname: 'Ada' })).toBe(false);
  });
});
