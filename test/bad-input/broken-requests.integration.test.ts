import type { DescMethod } from '@bufbuild/protobuf';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { User } from '../../gen/users/v1/user_pb.js';
import { largestRequest } from '../../src/kernel/bus/message-size.ts';
import { refusalOf } from '../support/errors.ts';
import { asAdmin, logIn, signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';
import { encoded, type Init } from './generated-messages.ts';
import { DOORS, type OpenDoors, openDoors } from './open-doors.ts';
import { pathOf } from './raw-calls.ts';

const { createUser, logIn: logInMethod, changeEmail, changeName, changePassword, suspendUser, grantRole } = CommandService.method;
const { getUser, findUserByEmail, listUsers } = QueryService.method;
/** Far more than any field takes, and not too much for a message. */
const LONG = 'm'.repeat(5000);

let app: TestApp;
let doors: OpenDoors;
let admin: User;
let headers: Readonly<Record<string, string>>;
let before: unknown;

beforeAll(async () => {
  app = await startTestApp();
  doors = openDoors(app.app);
  admin = await signUp(app);
  await asAdmin(app).grantRole({ userId: admin.id, role: 'admin' });
  headers = { authorization: `Bearer ${await logIn(app, admin)}` };
  before = await everything();
});
afterAll(async () => {
  doors.close();
  await app.stop();
});

/** The next calls on the same connections are answered. */
afterEach(async () => {
  const body = encoded(getUser.input, { userId: admin.id });
  for (const door of DOORS) await doors[door]({ path: pathOf(getUser), headers, body });
});

const everything = (): Promise<unknown> =>
  app.database.query('select (select json_agg(u) from users."user" u) as users, (select count(*) from cqrs.event) as events');

const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const everyField = { pageSize: -1, page: -1, pageToken: 'x'.repeat(2049), status: 99, search: 'a\0b', orderBy: 'password_hash' };
const email = 'ada@example.org';
const password = 'seven green lamps hum';

/** Requests that break rules of the contract, and the fields that are named for it: all of them at once. */
const INVALID: [string, DescMethod, Init, string[]][] = [
  ['nothing in it', createUser, {}, ['email', 'name', 'password']],
  ['nothing in it', logInMethod, {}, ['email', 'password']],
  ['nothing in it', changePassword, {}, ['user_id', 'current_password', 'new_password']],
  ['nothing in it', suspendUser, {}, ['user_id', 'reason']],
  ['every field wrong', listUsers, everyField, ['page_size', 'page', 'page_token', 'status', 'search', 'order_by', '']],
  ['every field wrong', changeEmail, { userId: 'x', email: 'x', expectedVersion: -1n }, ['user_id', 'email', 'expected_version']],
  ['a long text in every field', createUser, { email: LONG, name: LONG, password: LONG }, ['email', 'name', 'password']],
  ['a long text as id', getUser, { userId: LONG }, ['user_id']],
  ['a long text as e-mail', findUserByEmail, { email: `${LONG}@example.org` }, ['email']],
  ['a long text to search for', listUsers, { search: LONG }, ['search']],
  ['a long text as page token', listUsers, { pageToken: LONG }, ['page_token']],
  ['a long reason', suspendUser, { userId: id, reason: LONG }, ['reason']],
  ['an e-mail that is none', createUser, { email: 'ada', name: 'Ada', password }, ['email']],
  ['a line end in the e-mail', createUser, { email: `${email}\r\nbcc: all`, name: 'Ada', password }, ['email']],
  ['a NUL in the name', createUser, { email, name: 'Ada\0', password }, ['name']],
  ['a line end in the name', changeName, { userId: id, name: 'Ada\r\nEve' }, ['name']],
  ['a password of 14 characters', createUser, { email, name: 'Ada', password: 'x'.repeat(14) }, ['password']],
  ['a password of 129 characters', createUser, { email, name: 'Ada', password: 'x'.repeat(129) }, ['password']],
  ['a role without a name', grantRole, { userId: id, role: '' }, ['role']],
  ['an id that is none', getUser, { userId: '1 or 1=1' }, ['user_id']],
  ['an id in braces', getUser, { userId: `{${id}}` }, ['user_id']],
  ['an id as URN', getUser, { userId: `urn:uuid:${id}` }, ['user_id']],
  ['a negative version', changeName, { userId: id, name: 'Ada', expectedVersion: -1n }, ['expected_version']],
  ['a negative page size', listUsers, { pageSize: -(2 ** 31) }, ['page_size']],
  ['a page too far', listUsers, { page: 100_001 }, ['page']],
  ['a status that does not exist', listUsers, { status: 4 }, ['status']],
  ['a negative status', listUsers, { status: -1 }, ['status']],
  ['an order by a column of the table', listUsers, { orderBy: 'created_at; drop table users' }, ['order_by']],
  ['a NUL to search for', listUsers, { search: '\0' }, ['search']],
];

describe.each(DOORS)('over %s', (door) => {
  const call = (method: DescMethod, body: Uint8Array) => doors[door]({ path: pathOf(method), headers, body });

  it.each(INVALID.map(([what, method, init, fields]) => [method.name, what, { method, init, fields }] as const))(
    '%s with %s is refused for every rule that it breaks',
    async (_name, _what, { method, init, fields }) => {
      const answer = call(method, encoded(method.input, init));
      const refusal = await refusalOf(answer);
      expect(refusal).toMatchObject({ code: 'InvalidArgument', reason: 'INVALID_REQUEST' });
      expect(new Set(refusal.fields)).toEqual(new Set(fields));
      await answer.catch((error: unknown) => expect(String(error).length).toBeLessThan(1000));
    },
  );

  it('a version of 0 is one that no user has, and no version is any', async () => {
    const request = { userId: admin.id, name: admin.name };
    const refusal = await refusalOf(call(changeName, encoded(changeName.input, { ...request, expectedVersion: 0n })));
    expect(refusal).toMatchObject({ code: 'Aborted', reason: 'VERSION_MISMATCH', metadata: { current_version: '2' } });
    await call(changeName, encoded(changeName.input, request));
  });

  it.each([
    ['bad UTF-8', Buffer.from([0x0a, 2, 0xc3, 0x28])],
    ['a surrogate in UTF-8', Buffer.from([0x0a, 3, 0xed, 0xa0, 0x80])],
    ['half a field', Buffer.from([0x0a, 36, 0x30])],
    ['an endless number', Buffer.from([0x18, ...Array(11).fill(0xff)])],
    ['text instead of protobuf', Buffer.from('{"user_id": "x"}')],
  ])('%s is refused', async (_, bytes) => {
    expect(await refusalOf(call(getUser, bytes))).toMatchObject({ code: 'InvalidArgument', reason: 'MALFORMED_REQUEST' });
  });

  it('a field of another wire type is not taken for the field', async () => {
    const asNumber = Buffer.from([0x08, 1]);
    expect(await refusalOf(call(getUser, asNumber))).toMatchObject({ code: 'InvalidArgument' });
  });

  it('unknown fields are ignored, up to the largest message there may be', async () => {
    const known = encoded(getUser.input, { userId: admin.id });
    const head = Buffer.from([0xfa, 0x3e, 0, 0, 0, 0]);
    const limit = largestRequest(getUser);
    const size = limit - known.length - head.length;
    for (const [index, shift] of [0, 7, 14, 21].entries()) head[2 + index] = ((size >> shift) & 0x7f) | (index < 3 ? 0x80 : 0);
    const largest = Buffer.concat([known, head, Buffer.alloc(size)]);
    expect(largest).toHaveLength(limit);
    expect((await call(getUser, largest)).byteLength).toBeGreaterThan(0);
  });

  it.each([
    '/users.v1.CommandService/DropUsers',
    '/users.v1.CommandService/createUser',
    '/users.v2.CommandService/CreateUser',
    '/users.v1.CommandService',
    '/users.v1.CommandService/CreateUser/',
    '/../users.v1.CommandService/CreateUser',
  ])('%s is unknown', async (path) => {
    const body = encoded(createUser.input, somebody());
    const refusal = await refusalOf(doors[door]({ path, headers, body }));
    expect(refusal).toMatchObject({ code: 'Unimplemented', reason: 'METHOD_UNKNOWN' });
  });
});

it('refused calls leave nothing behind', async () => {
  expect(await everything()).toEqual(before);
  expect(app.log()).not.toContain('unexpected error');
});
