import { randomBytes } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ListUsersResponse, ListUsersResponseSchema, QueryService } from '../../gen/users/v1/query_service_pb.js';
import { createPageTokens } from '../../src/kernel/bus/page-token.ts';
import { refusalOf } from '../support/errors.ts';
import { asAdmin, logIn, signUp } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';
import { encoded, type Init } from './generated-messages.ts';
import { DOORS, type OpenDoors, openDoors } from './open-doors.ts';
import { pathOf } from './raw-calls.ts';

const { listUsers } = QueryService.method;
/** The list whose tokens are sent. */
const LIST = { pageSize: 1, search: 'some', orderBy: 'email' };

let app: TestApp;
let doors: OpenDoors;
let headers: Readonly<Record<string, string>>;

beforeAll(async () => {
  app = await startTestApp();
  doors = openDoors(app.app);
  const [admin] = await Promise.all([signUp(app), signUp(app), signUp(app)]);
  await asAdmin(app).grantRole({ userId: admin.id, role: 'admin' });
  headers = { authorization: `Bearer ${await logIn(app, admin)}` };
});
afterAll(async () => {
  doors.close();
  await app.stop();
});

describe.each(DOORS)('a page token over %s', (door) => {
  async function page(request: Init): Promise<ListUsersResponse> {
    const body = encoded(listUsers.input, request);
    return fromBinary(ListUsersResponseSchema, await doors[door]({ path: pathOf(listUsers), headers, body }));
  }
  const tokenOf = async (request: Init): Promise<string> => (await page(request)).nextPageToken;

  const PAGE_TOKEN_INVALID = { code: 'InvalidArgument', reason: 'PAGE_TOKEN_INVALID', fields: ['page_token'] };

  it('goes on where the page before ended, in pages of another size too', async () => {
    const first = await page(LIST);
    const rest = await page({ ...LIST, pageSize: 10, pageToken: first.nextPageToken });
    const emails = [...first.users, ...rest.users].map(({ email }) => email);
    expect(emails).toHaveLength(3);
    expect(emails).toEqual([...new Set(emails)].sort());
  });

  it.each<[string, Init]>([
    ['another search', { search: 'somebody' }],
    ['no search', { search: '' }],
    ['another status', { status: 1 }],
    ['another order', { orderBy: 'name' }],
    ['the same order the other way', { orderBy: 'email desc' }],
    ['the order that is the default', { orderBy: '' }],
  ])('of a list with %s is refused', async (_, other) => {
    const pageToken = await tokenOf({ ...LIST, ...other });
    expect(pageToken).not.toBe('');
    expect(await refusalOf(page({ ...LIST, pageToken }))).toMatchObject(PAGE_TOKEN_INVALID);
  });

  it.each<[string, (token: string) => string]>([
    ['nonsense', () => 'nonsense'],
    ['a number', () => '2'],
    ['random bytes', () => randomBytes(80).toString('base64url')],
    ['cut', (token) => token.slice(0, -4)],
    ['longer', (token) => `${token}AAAA`],
    ['changed at its start', (token) => (token.startsWith('A') ? 'B' : 'A') + token.slice(1)],
    ['changed in the middle', (token) => token.slice(0, 30) + (token[30] === 'A' ? 'B' : 'A') + token.slice(31)],
    ['with a space', (token) => ` ${token}`],
    ['padded', (token) => `${token}=`],
    ['two in one', (token) => token + token],
    [
      'sealed with another key',
      () => createPageTokens(randomBytes(32)).seal(['users.v1.ListUsers', undefined, 'some', 'email', false], ['a', 'b']),
    ],
    ['a NUL', () => '\0'],
    ['not ASCII', (token) => `é${token}`],
  ])('that is %s is refused', async (_, changed) => {
    const pageToken = changed(await tokenOf(LIST));
    expect(await refusalOf(page({ ...LIST, pageToken }))).toMatchObject(PAGE_TOKEN_INVALID);
  });

  it('together with a page number is refused', async () => {
    const refusal = await refusalOf(page({ ...LIST, page: 2, pageToken: await tokenOf(LIST) }));
    expect(refusal).toMatchObject({ code: 'InvalidArgument', reason: 'INVALID_REQUEST' });
  });

  it('says nothing in its refusal of what was sent', async () => {
    const answer = page({ ...LIST, pageToken: 'canary' });
    await answer.catch((error: unknown) => expect(JSON.stringify(error)).not.toContain('canary'));
    await expect(answer).rejects.toThrow('the page token does not belong to this list');
  });
});
