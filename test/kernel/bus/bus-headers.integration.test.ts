import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { REQUEST_HEADERS } from '../../../src/kernel/bus/bus-headers.ts';
import { BUS_METADATA } from '../../../src/kernel/contracts/bus-metadata.ts';
import { inProcessTransport } from '../../../src/kernel/doors/in-process.ts';
import { refusalOf } from '../../support/errors.ts';
import { logIn, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe.each([
  ['gRPC', () => createGrpcTransport({ baseUrl: `http://127.0.0.1:${app.app.grpcPort}` })],
  ['Connect', () => createConnectTransport({ baseUrl: `http://127.0.0.1:${app.app.httpPort}`, httpVersion: '1.1' })],
  ['the process', () => inProcessTransport(app.app.bus)],
])('headers of the bus by way of %s', (_, transport) => {
  it.each(['Strong', 'STRONG', 'weak', 'true', ''])('refuse consistency %j, whatever it was meant to be', async (value) => {
    const user = await signUp(app);
    const authorization = `Bearer ${await logIn(app, user)}`;
    const query = createClient(QueryService, transport()).getUser(
      { userId: user.id },
      { headers: { authorization, 'cqrs-consistency': value } },
    );
    expect(await refusalOf(query)).toMatchObject({ code: 'InvalidArgument', reason: 'HEADER_INVALID' });
  });

  it.each(['cqrs-dryrun', 'Cqrs-Dry-Runs', 'cqrs-idempotency-key'])(
    'refuse a command with %s, which changes nothing',
    async (name) => {
      const user = await signUp(app);
      const authorization = `Bearer ${await logIn(app, user)}`;
      const { changeName } = createClient(CommandService, transport());
      const command = changeName({ userId: user.id, name: 'Done' }, { headers: { authorization, [name]: 'true' } });
      expect(await refusalOf(command)).toMatchObject({ code: 'InvalidArgument', reason: 'HEADER_INVALID' });
      await expect(command).rejects.toThrow(name.toLowerCase());
      const strong = { headers: { authorization, 'cqrs-consistency': 'strong' } };
      const { user: after } = await createClient(QueryService, transport()).getUser({ userId: user.id }, strong);
      expect(after?.name).toBe(user.name);
    },
  );

  it('do what they say', async () => {
    const user = await signUp(app);
    const authorization = `Bearer ${await logIn(app, user)}`;
    const headers = { authorization, 'cqrs-consistency': 'strong', 'cqrs-dry-run': 'false', 'cqrs-device': 'x' };
    const { changeName } = createClient(CommandService, transport());
    expect((await changeName({ userId: user.id, name: 'Done' }, { headers })).user?.name).toBe('Done');
  });
});

it('the contract tells no other ones', () => {
  const told = BUS_METADATA.filter(({ name, where }) => where === 'request' && name.startsWith('cqrs-')).map(({ name }) => name);
  expect([...REQUEST_HEADERS]).toEqual(expect.arrayContaining(told));
});
