import { Client, credentials, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { service as healthService } from 'grpc-health-check';
import { createGrpcDoor } from '../../../src/transport/grpc/door.ts';
import { conformanceService } from '../../support/conformance-service.ts';
import { eventually } from '../../support/eventually.ts';
import { FOREVER } from '../../support/patience.ts';

const door = createGrpcDoor(conformanceService());
let port = 0;
let client: Client;

beforeAll(async () => {
  port = await door.listen('127.0.0.1:0');
});
beforeEach(() => {
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterEach(() => client.close());
afterAll(() => door.close({ graceMs: 0 }));

function method(name: 'Check' | 'Watch') {
  const definition = healthService[name];
  if (!definition) throw new Error(`no ${name}`);
  return [definition.path, definition.requestSerialize, definition.responseDeserialize] as const;
}

function check(service: string): Promise<unknown> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(...method('Check'), { service }, (error: ServiceError | null, answer: unknown) =>
      resolve(error ? status[error.code] : (answer as { status: string }).status),
    );
  });
}

describe('health', () => {
  it('serves nothing at first', async () => {
    expect(await check('')).toBe('NOT_SERVING');
    expect(await check('conformance.v1.QueryService')).toBe('NOT_SERVING');
  });

  it('tells of each service by itself', async () => {
    door.setServing('', true);
    door.setServing('conformance.v1.CommandService', true);
    expect(await check('')).toBe('SERVING');
    expect(await check('conformance.v1.CommandService')).toBe('SERVING');
    expect(await check('conformance.v1.QueryService')).toBe('NOT_SERVING');
  });

  it('does not know other names', async () => {
    expect(await check('nobody')).toBe('NOT_FOUND');
  });

  it('tells a watcher of changes, and lets it go when the door closes', async () => {
    const other = createGrpcDoor(conformanceService());
    const watching = new Client(`127.0.0.1:${await other.listen('127.0.0.1:0')}`, credentials.createInsecure());
    const call = watching.makeServerStreamRequest(...method('Watch'), { service: '' });
    const seen: string[] = [];
    call.on('data', ({ status: serving }: { status: string }) => seen.push(serving));
    call.on('error', () => undefined);
    const ended = new Promise<StatusObject>((resolve) => call.on('status', resolve));
    await eventually(() => expect(seen).toEqual(['NOT_SERVING']));
    other.setServing('', true);
    await eventually(() => expect(seen).toEqual(['NOT_SERVING', 'SERVING']));

    await other.close({ graceMs: FOREVER });
    expect((await ended).code).toBe(status.CANCELLED);
    watching.close();
  });
});
