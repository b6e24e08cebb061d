import { getExtension } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { field as validateField } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { access } from '#gen/cqrs/v1/access_pb.js';
import { createGrpcDoor } from '../../../src/transport/grpc/door.ts';
import { conformanceService } from '../../support/conformance-service.ts';
import { ReflectionClient } from '../../support/reflection-client.ts';

const door = createGrpcDoor(conformanceService());
let port = 0;
let client: ReflectionClient;

beforeAll(async () => {
  port = await door.listen('127.0.0.1:0');
});
afterEach(() => client.close());
afterAll(() => door.close({ graceMs: 0 }));

describe.each(['v1', 'v1alpha'] as const)('reflection %s', (version) => {
  it('lists the services', async () => {
    client = new ReflectionClient(port, version);
    expect((await client.services()).sort()).toEqual([
      'conformance.v1.CommandService',
      'conformance.v1.QueryService',
      'grpc.health.v1.Health',
    ]);
  });

  it('gives the file of a service with all its options', async () => {
    client = new ReflectionClient(port, version);
    const file = await client.fileOf('conformance.v1.QueryService');
    expect(file.name).toBe('conformance/v1/conformance.proto');
    const ask = file.service.find(({ name }) => name === 'QueryService')?.method.find(({ name }) => name === 'Ask');
    if (!ask?.options) throw new Error('Ask has lost its options');
    expect(ask.options.idempotencyLevel).toBe(MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS);
    expect(getExtension(ask.options, access).anonymous).toBe(true);

    const request = file.messageType.find(({ name }) => name === 'AskRequest');
    const text = request?.field.find(({ name }) => name === 'text');
    if (!text?.options) throw new Error('text has lost its rules');
    expect(getExtension(text.options, validateField).type).toMatchObject({ case: 'string', value: { minLen: 1n } });
  });

  it('gives the files that it depends on', async () => {
    client = new ReflectionClient(port, version);
    for (const name of ['cqrs/v1/access.proto', 'buf/validate/validate.proto', 'google/protobuf/descriptor.proto']) {
      expect((await client.file(name)).name).toBe(name);
    }
  });

  it('knows the health service', async () => {
    client = new ReflectionClient(port, version);
    const file = await client.fileOf('grpc.health.v1.Health');
    expect(file.service.map(({ name }) => name)).toEqual(['Health']);
  });
});
