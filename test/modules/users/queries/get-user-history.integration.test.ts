import { createRegistry } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { file_users_v1_events } from '#gen/users/v1/events_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import type { UserHistoryEntry } from '#gen/users/v1/user_history_pb.js';
import type { User } from '#gen/users/v1/user_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { asAdmin, logIn, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

const headers = { 'cqrs-consistency': 'strong' };
const types = createRegistry(file_users_v1_events);

let app: TestApp;
let ada: User;
let token: string;
let ids: string[];
beforeAll(async () => {
  app = await startTestApp();
  ada = await signUp(app);
  token = await logIn(app, ada);
  ids = [];
  const keep = (header: Headers): void => void ids.unshift(header.get('cqrs-command-id') ?? '');
  await asAdmin(app).changeName({ userId: ada.id, name: 'Ada Lovelace' }, { onHeader: keep });
  await asAdmin(app).suspendUser({ userId: ada.id, reason: 'a test' }, { onHeader: keep });
  await asAdmin(app).reactivateUser({ userId: ada.id, reason: 'the end of it' }, { onHeader: keep });
  token = await logIn(app, ada);
});
afterAll(() => app.stop());

const asAuditor = () => app.client(QueryService, { roles: ['auditor'] });
const history = (userId: string, more: { pageSize?: number; pageToken?: string } = {}) =>
  asAuditor().getUserHistory({ userId, ...more }, { headers });
const say = ({ type, actor }: UserHistoryEntry): string => `${type.split('.').at(-1)} by ${actor || 'nobody'}`;

describe('getUserHistory', () => {
  it('returns what happened, the newest first, with who did it by which command', async () => {
    const { entries, nextPageToken } = await history(ada.id);
    expect(entries.map(say)).toEqual([
      'UserLoggedIn by nobody',
      'UserReactivated by tester',
      'UserSuspended by tester',
      'UserNameChanged by tester',
      'UserLoggedIn by nobody',
      'UserCreated by nobody',
    ]);
    expect(nextPageToken).toBe('');
    expect(entries.slice(1, 4).map(({ commandId }) => commandId)).toEqual(ids);
    const renamed = entries[3];
    expect(renamed?.payload && anyUnpack(renamed.payload, types)).toMatchObject({ name: 'Ada Lovelace' });
    expect(entries.map(({ version }) => version)).toEqual(
      entries.map(({ version }) => version).toSorted((a, b) => Number(b - a)),
    );
  });

  it('returns it page by page, with neither a gap nor a repetition', async () => {
    const whole = (await history(ada.id)).entries.map(({ eventId }) => eventId);
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await history(ada.id, { pageSize: 4, pageToken });
      seen.push(...page.entries.map(({ eventId }) => eventId));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(seen).toEqual(whole);
    const other = await signUp(app);
    const ofAda = (await history(ada.id, { pageSize: 1 })).nextPageToken;
    expect(await refusalOf(history(other.id, { pageToken: ofAda }))).toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
  });

  it('is for the user, and for those with users.read', async () => {
    const own = app.client(QueryService, { token });
    expect((await own.getUserHistory({ userId: ada.id }, { headers })).entries).toHaveLength(6);
    const other = await signUp(app);
    expect(await refusalOf(own.getUserHistory({ userId: other.id }))).toMatchObject({ reason: 'PERMISSION_MISSING' });
    expect(await refusalOf(history('019ab3a0-0000-7000-8000-000000000001'))).toMatchObject({ reason: 'USER_NOT_FOUND' });
  });

  it('of a deleted user has the facts, without personal data', async () => {
    const user = await signUp(app, { name: 'Grace Hopper' });
    await asAdmin(app).grantRole({ userId: user.id, role: 'auditor' });
    await asAdmin(app).deleteUser({ userId: user.id });
    const { entries } = await history(user.id);
    expect(entries.map(({ type, personalErased }) => [type, personalErased])).toEqual([
      ['users.v1.UserDeleted', false],
      ['users.v1.UserRoleGranted', false],
      ['users.v1.UserCreated', true],
    ]);
    const bytes = Buffer.concat(entries.map(({ payload }) => Buffer.from(payload?.value ?? []))).toString('latin1');
    for (const personal of ['Grace', user.email]) expect(bytes).not.toContain(personal);
  });

  it('whose records were pruned says that it does not know who', async () => {
    const user = await signUp(app);
    await asAdmin(app).changeName({ userId: user.id, name: 'Somebody else' });
    await app.database.query('delete from cqrs.command_log where aggregate_id = $1', [user.id]);
    expect((await history(user.id)).entries.map(({ actor }) => actor)).toEqual(['', '']);
  });
});
