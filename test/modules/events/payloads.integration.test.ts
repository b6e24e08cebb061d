import { createRegistry, fromBinary } from '@bufbuild/protobuf';
import { anyUnpack, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { QueryService } from '#gen/events/v1/query_service_pb.js';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.js';
import { file_users_v1_events } from '#gen/users/v1/events_pb.js';
import type { User } from '#gen/users/v1/user_pb.js';
import { asAdmin, logIn, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { numbered } from './feed-of-people.ts';

let app: TestApp;
let ada: User;
let token: string;
beforeAll(async () => {
  app = await startTestApp();
  ada = await signUp(app);
  await asAdmin(app).grantRole({ userId: ada.id, role: 'admin' });
  token = await logIn(app, ada);
  await numbered(app);
});
afterAll(() => app.stop());

it('over Connect JSON the payload of an event is readable as it is', async () => {
  const answer = await fetch(`http://127.0.0.1:${app.app.httpPort}/events.v1.QueryService/ListEvents`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, 'cqrs-consistency': 'strong' },
    body: '{"filter":{"types":["users.v1.UserCreated"]}}',
  });
  expect(await answer.json()).toMatchObject({
    events: [
      {
        sequence: '1',
        type: 'users.v1.UserCreated',
        payload: { '@type': 'type.googleapis.com/users.v1.UserCreated', email: ada.email, name: ada.name },
        personalData: 'PERSONAL_DATA_INCLUDED',
      },
    ],
  });
});

it('over gRPC it is the typed message', async () => {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${app.app.grpcPort}` });
  const headers = { authorization: `Bearer ${token}`, 'cqrs-consistency': 'strong' };
  const { events } = await createClient(QueryService, transport).listEvents({}, { headers });
  const [payload] = events.map((event) => event.payload);
  expect(payload && anyUnpack(payload, createRegistry(file_users_v1_events))).toMatchObject({ email: ada.email });
});

it.each([
  ['gRPC', () => createGrpcTransport({ baseUrl: `http://127.0.0.1:${app.app.grpcPort}` })],
  ['Connect', () => createConnectTransport({ baseUrl: `http://127.0.0.1:${app.app.httpPort}`, httpVersion: '2' })],
])('reflection tells the types of events, which no rpc names, %s', async (_, transport) => {
  async function* ask() {
    yield { messageRequest: { case: 'fileContainingSymbol' as const, value: 'users.v1.UserNameChanged' } };
  }
  for await (const { messageResponse } of createClient(ServerReflection, transport()).serverReflectionInfo(ask())) {
    if (messageResponse.case !== 'fileDescriptorResponse') throw new Error(messageResponse.case);
    const names = messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
    expect(names).toContain('users/v1/events.proto');
  }
});
