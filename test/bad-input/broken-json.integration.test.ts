import type { DescMethod } from '@bufbuild/protobuf';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { User } from '../../gen/users/v1/user_pb.js';
import { largestRequest } from '../../src/kernel/bus/message-size.ts';
import { refusalOf } from '../support/errors.ts';
import { asAdmin, logIn, signUp } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';
import { type OpenDoors, openDoors } from './open-doors.ts';
import { connectOutcome, pathOf } from './raw-calls.ts';

const { createUser, changeName } = CommandService.method;
const { getUser, listUsers } = QueryService.method;
/** The most bytes that the contract of CreateUser allows. */
const MOST = largestRequest(createUser);

let app: TestApp;
let doors: OpenDoors;
let admin: User;
let headers: Readonly<Record<string, string>>;

beforeAll(async () => {
  app = await startTestApp();
  doors = openDoors(app.app);
  admin = await signUp(app);
  await asAdmin(app).grantRole({ userId: admin.id, role: 'admin' });
  headers = { authorization: `Bearer ${await logIn(app, admin)}` };
});
afterAll(async () => {
  expect(app.log()).not.toContain('unexpected error');
  doors.close();
  await app.stop();
});

const post = (method: DescMethod, body: string | Buffer) =>
  doors.json({ path: pathOf(method), headers, body: Buffer.from(body as string) });

async function get(method: DescMethod, query: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const path = `${pathOf(method)}?${new URLSearchParams(query)}`;
  return connectOutcome(await doors.http1.send({ method: 'GET', path, headers }));
}

/** The next call on the same connection is answered. */
afterEach(async () => {
  await post(getUser, JSON.stringify({ userId: admin.id }));
});

const USER = '"email": "ada@example.org", "name": "Ada", "password": "seven green lamps hum"';
const NAME = '"userId": "01890a5d-ac96-774b-bcce-b302099a8057", "name": "Ada"';

describe('JSON', () => {
  it.each<[string, DescMethod, string | Buffer]>([
    ['no JSON', createUser, 'email=ada'],
    ['nothing', createUser, ''],
    ['half an object', createUser, `{${USER}`],
    ['a list', createUser, '[]'],
    ['null', createUser, 'null'],
    ['a string', createUser, '"ada"'],
    ['two objects', createUser, `{${USER}}{${USER}}`],
    ['a number for text', createUser, '{"email": 5}'],
    ['a list for text', createUser, '{"email": ["ada@example.org"]}'],
    ['an object for text', createUser, '{"email": {"$ne": ""}}'],
    ['a truth value for text', createUser, '{"email": true}'],
    ['text for a number', listUsers, '{"pageSize": "many"}'],
    ['a fraction for a number', listUsers, '{"pageSize": 1.5}'],
    ['a number over 32 bits', listUsers, '{"pageSize": 2147483648}'],
    ['a number over 64 bits', changeName, `{${NAME}, "expectedVersion": "9223372036854775808"}`],
    ['a fraction as version', changeName, `{${NAME}, "expectedVersion": 1.5}`],
    ['a number for a truth value', listUsers, '{"includeTotal": 1}'],
    ['a status that does not exist', listUsers, '{"status": "USER_STATUS_ROOT"}'],
    ['a list for a status', listUsers, '{"status": []}'],
    ['a field that does not exist', createUser, `{${USER}, "roles": ["admin"]}`],
    ['a field of a prototype', createUser, `{${USER}, "__proto__": {"name": "Eve"}}`],
    ['a field of every object', createUser, `{${USER}, "constructor": {}}`],
    ['a field in other letters', createUser, `{${USER}, "EMAIL": "eve@example.org"}`],
    ['a field under both of its names', getUser, '{"user_id": "x", "userId": "x"}'],
    ['bad UTF-8', createUser, Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x7d])],
    ['as many brackets as it may have', createUser, '['.repeat(MOST)],
    ['a list as deep as it may be', createUser, `{"email": ${'['.repeat(MOST / 2 - 10)}${']'.repeat(MOST / 2 - 10)}}`],
  ])('with %s is refused as malformed', async (_, method, body) => {
    const answer = post(method, body);
    expect(await refusalOf(answer)).toMatchObject({ code: 'InvalidArgument', reason: 'MALFORMED_REQUEST' });
    await answer.catch((error: unknown) => expect(String(error).length).toBeLessThan(600));
  });

  it('with a hundred thousand brackets is refused as too large, before anybody looks at them', async () => {
    const answer = post(createUser, '['.repeat(100_000));
    expect(await refusalOf(answer)).toMatchObject({ code: 'ResourceExhausted', reason: 'MESSAGE_TOO_LARGE' });
  });

  it('is refused with the name of the field and the type that it takes', async () => {
    await expect(post(listUsers, '{"pageSize": "many"}')).rejects.toThrow(
      'cannot decode field users.v1.ListUsersRequest.page_size from JSON: expected number (int32)',
    );
    await expect(post(getUser, '{"root": 1}')).rejects.toThrow('key "root" is unknown');
  });

  it('with half a surrogate pair is refused', async () => {
    const refusal = await refusalOf(
      post(createUser, '{"email": "\\ud800@example.org", "name": "\\udfff", "password": "\\ud800"}'),
    );
    expect(refusal).toMatchObject({ code: 'InvalidArgument' });
  });
});

describe('a query in a URL', () => {
  const good = { connect: 'v1', encoding: 'json' };

  it('is answered when it is well-formed', async () => {
    const answer = await get(getUser, { ...good, message: JSON.stringify({ userId: admin.id }) });
    expect(JSON.parse(Buffer.from(answer).toString())).toMatchObject({ user: { id: admin.id } });
  });

  it.each<[string, Record<string, string>]>([
    ['no JSON', { ...good, message: '{' }],
    ['no message', { ...good }],
    ['bad base64', { ...good, base64: '1', message: '###' }],
    ['base64 of no JSON', { ...good, base64: '1', message: 'AAAA' }],
    ['bytes that are no message', { ...good, encoding: 'proto', base64: '1', message: '____' }],
    ['a field that does not exist', { ...good, message: '{"root": true}' }],
    ['compression that is none', { ...good, compression: 'gzip', base64: '1', message: 'AAAA' }],
  ])('with %s is refused as malformed', async (_, query) => {
    expect(await refusalOf(get(getUser, query))).toMatchObject({ code: 'InvalidArgument', reason: 'MALFORMED_REQUEST' });
  });

  it('is not how a command is called', async () => {
    const query = new URLSearchParams({ ...good, message: `{${USER}}` });
    const answer = await doors.http1.send({ method: 'GET', path: `${pathOf(createUser)}?${query}`, headers });
    expect(answer.status).toBe(405);
    const [{ users }] = (await app.database.query('select count(*)::int as users from users."user"')) as [{ users: number }];
    expect(users).toBe(1);
  });
});
