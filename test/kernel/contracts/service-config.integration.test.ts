import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { ChangeNameResponseSchema, CommandService } from '#gen/users/v1/command_service_pb.js';
import { GetUserResponseSchema, QueryService } from '#gen/users/v1/query_service_pb.js';
import { serviceConfig } from '../../../src/kernel/contracts/service-config.ts';
import { grpcJsTransport } from '../../support/grpc-js-transport.ts';

const calls = new Map<string, number>();

/** Is UNAVAILABLE twice, then answers. */
function thirdTime(name: string, answer: object) {
  return (_: unknown, callback: (error: object | null, answer?: object) => void) => {
    calls.set(name, (calls.get(name) ?? 0) + 1);
    if ((calls.get(name) ?? 0) < 3) callback({ code: status.UNAVAILABLE, details: 'away' });
    else callback(null, answer);
  };
}

/** One for each client: a client that was told UNAVAILABLE often stops asking that server again. */
async function startServer(): Promise<{ address: string; server: Server }> {
  const server = new Server();
  const definition = (path: string) => ({
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: () => Buffer.alloc(0),
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: () => Buffer.alloc(0),
    responseDeserialize: (bytes: Buffer) => bytes,
  });
  server.addService(
    {
      getUser: definition(`/${QueryService.typeName}/GetUser`),
      changeName: definition(`/${CommandService.typeName}/ChangeName`),
      logIn: definition(`/${CommandService.typeName}/LogIn`),
    },
    {
      getUser: thirdTime('getUser', create(GetUserResponseSchema)),
      changeName: thirdTime('changeName', create(ChangeNameResponseSchema)),
      logIn: thirdTime('logIn', {}),
    },
  );
  const port = await new Promise<number>((done, failed) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? failed(error) : done(bound))),
  );
  return { address: `127.0.0.1:${port}`, server };
}

describe.each([{ everyCommandHasKey: false }, { everyCommandHasKey: true }])('the service config with %j', (options) => {
  const config = JSON.stringify(serviceConfig(options));

  /** How often the server was asked, and the code at the end. */
  async function tries(name: 'getUser' | 'changeName' | 'logIn'): Promise<[number, Code | undefined]> {
    calls.clear();
    const { address, server } = await startServer();
    const transport = grpcJsTransport(address, { 'grpc.service_config': config, 'grpc.enable_retries': 1 });
    try {
      if (name === 'getUser') await createClient(QueryService, transport).getUser({});
      else await createClient(CommandService, transport)[name]({});
      return [calls.get(name) ?? 0, undefined];
    } catch (error) {
      return [calls.get(name) ?? 0, ConnectError.from(error).code];
    } finally {
      transport.close();
      server.forceShutdown();
    }
  }

  it('lets a client send queries again', async () => {
    expect(await tries('getUser')).toEqual([3, undefined]);
  });

  it('lets it send commands again only when all have a key', async () => {
    expect(await tries('changeName')).toEqual(options.everyCommandHasKey ? [3, undefined] : [1, Code.Unavailable]);
  });

  it('never lets it send a command again that takes no key', async () => {
    expect(await tries('logIn')).toEqual([1, Code.Unavailable]);
  });

  it('gives a deadline to what ends by itself, and none to streams', () => {
    const { methodConfig } = JSON.parse(config) as { methodConfig: { name: { method: string }[]; timeout?: string }[] };
    const timeoutOf = (method: string) => methodConfig.find(({ name }) => name.some((one) => one.method === method))?.timeout;
    expect(timeoutOf('GetUser')).toBe('10s');
    expect(timeoutOf('ChangeName')).toBe('10s');
    expect(timeoutOf('WatchCommands')).toBeUndefined();
  });
});
