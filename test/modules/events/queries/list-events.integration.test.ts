import { createRegistry } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Event, PersonalData } from '#gen/events/v1/event_pb.js';
import { QueryService } from '#gen/events/v1/query_service_pb.js';
import { file_users_v1_events } from '#gen/users/v1/events_pb.js';
import type { User } from '#gen/users/v1/user_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { asAdmin, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';
import { numbered } from '../feed-of-people.ts';

const headers = { 'cqrs-consistency': 'strong' };
const types = createRegistry(file_users_v1_events);

let app: TestApp;
let ada: User;
let grace: User;
beforeAll(async () => {
  app = await startTestApp();
  ada = await signUp(app);
  grace = await signUp(app);
  await asAdmin(app).changeName({ userId: ada.id, name: 'Ada Lovelace' });
  await asAdmin(app).changeName({ userId: grace.id, name: 'Grace Hopper' });
  await asAdmin(app).suspendUser({ userId: ada.id, reason: 'a test' });
  await asAdmin(app).deleteUser({ userId: grace.id });
  await numbered(app);
});
afterAll(() => app.stop());

const asRole = (role: string) => app.client(QueryService, { roles: [role] });
const list = async (request: Parameters<ReturnType<typeof asRole>['listEvents']>[0], role = 'admin') =>
  await asRole(role).listEvents(request, { headers });
const say = ({ sequence, type }: Event): string => `${sequence} ${type.split('.').at(-1)}`;

const ALL = ['1 UserCreated', '2 UserCreated', '3 UserNameChanged', '4 UserNameChanged', '5 UserSuspended', '6 UserDeleted'];

describe('listEvents', () => {
  it('gives every event in the order of the feed, whole', async () => {
    const { events, nextPageToken, throughSequence } = await list({});
    expect(events.map(say)).toEqual(ALL);
    expect({ nextPageToken, throughSequence }).toEqual({ nextPageToken: '', throughSequence: 6n });
    const [created] = events;
    expect(created).toMatchObject({ aggregateType: 'users.v1.User', aggregateId: ada.id, aggregateVersion: 1n });
    expect(created?.payload && anyUnpack(created.payload, types)).toMatchObject({
      $typeName: 'users.v1.UserCreated',
      email: ada.email,
    });
    const [stored] = await app.database.query('select id, command_id, occurred_at from cqrs.event order by position limit 1');
    expect(created).toMatchObject({ id: stored?.id, commandId: stored?.command_id });
  });

  it('gives pages by token, with neither a gap nor a repetition', async () => {
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await list({ pageSize: 4, pageToken });
      seen.push(...page.events.map(say));
      expect(page.throughSequence).toBe(page.events.at(-1)?.sequence);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(seen).toEqual(ALL);
    expect(await refusalOf(list({ afterSequence: 1n, pageToken: (await list({ pageSize: 1 })).nextPageToken }))).toMatchObject({
      reason: 'PAGE_TOKEN_INVALID',
    });
  });

  it('begins behind a place, also one that is not reached yet', async () => {
    expect((await list({ afterSequence: 4n })).events.map(say)).toEqual(ALL.slice(4));
    expect(await list({ afterSequence: 7n })).toMatchObject({ events: [], nextPageToken: '', throughSequence: 7n });
    expect(await list({ afterSequence: 7n, filter: { aggregateId: ada.id } })).toMatchObject({ throughSequence: 7n });
  });

  it.each([
    ['types', () => ({ types: ['users.v1.UserNameChanged', 'users.v1.UserDeleted'] }), [2, 3, 5]],
    ['an aggregate', () => ({ aggregateId: ada.id.toUpperCase() }), [0, 2, 4]],
    ['a type of aggregate', () => ({ aggregateType: 'users.v1.User' }), [0, 1, 2, 3, 4, 5]],
    ['another type of aggregate', () => ({ aggregateType: 'orders.v1.Order' }), []],
    ['all of them', () => ({ types: ['users.v1.UserCreated'], aggregateType: 'users.v1.User', aggregateId: grace.id }), [1]],
  ])('filters by %s, and says through which place it has looked', async (_, filter, wanted) => {
    const { events, throughSequence, nextPageToken } = await list({ filter: filter() });
    expect(events.map(say)).toEqual(wanted.map((index) => ALL[index]));
    expect({ throughSequence, nextPageToken }).toEqual({ throughSequence: 6n, nextPageToken: '' });
    const first = await list({ filter: filter(), pageSize: 1 });
    expect(first.throughSequence).toBe(wanted.length > 1 ? first.events[0]?.sequence : 6n);
  });

  it('finds what is rare in steps', async () => {
    const [last] = await app.database.query<{ position: string }>('select max(position) as position from cqrs.event');
    const more = 120_000;
    await app.database.query(
      `insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
       select gen_random_uuid(), 'users.v1.UserLoggedIn', '', 'users.v1.User', $1, 1, $1, '', now() from generate_series(1, ${more})`,
      [ada.id],
    );
    try {
      await numbered(app);
      const end = BigInt(6 + more);
      const filter = { types: ['users.v1.UserSuspended'] };
      const pages = [];
      let pageToken = '';
      do {
        const page = await list({ filter, pageToken });
        pages.push([page.events.map(say), page.throughSequence]);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      expect(pages).toEqual([
        [['5 UserSuspended'], 50_000n],
        [[], 100_000n],
        [[], end],
      ]);
      expect((await list({ filter: { ...filter, aggregateId: ada.id } })).throughSequence).toBe(end);
    } finally {
      await app.database.query('delete from cqrs.feed where position > $1', [last?.position]);
      await app.database.query('delete from cqrs.event where position > $1', [last?.position]);
      await app.database.query('update cqrs.sequencer set last_sequence = 6');
    }
  });

  it('tells personal data that is shown, withheld, erased and not there apart', async () => {
    const states = async (role: string) => (await list({}, role)).events.map(({ personalData }) => PersonalData[personalData]);
    expect(await states('admin')).toEqual(['INCLUDED', 'ERASED', 'INCLUDED', 'ERASED', 'INCLUDED', 'NONE']);
    expect(await states('auditor')).toEqual(['WITHHELD', 'ERASED', 'WITHHELD', 'ERASED', 'WITHHELD', 'NONE']);
    const text = JSON.stringify((await list({ includeJson: true }, 'auditor')).events, (_, value) =>
      typeof value === 'bigint' ? String(value) : value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    );
    for (const personal of [ada.email, ada.name, 'Lovelace', 'a test']) expect(text).not.toContain(personal);
  });

  it('gives the payload as JSON where that is asked for', async () => {
    const [, , renamed] = (await list({ includeJson: true })).events;
    expect(renamed?.json).toEqual({ name: 'Ada Lovelace' });
    expect((await list({})).events[0]?.json).toBeUndefined();
  });

  it('gives an event whose type or bytes it cannot read, without its payload', async () => {
    const [first] = (await list({ pageSize: 1 })).events;
    await app.database.query(`update cqrs.event set type = 'gone.v1.Gone' where id = $1`, [first?.id]);
    try {
      const [gone] = (await list({ pageSize: 1, includeJson: true })).events;
      expect(gone).toMatchObject({ sequence: 1n, type: 'gone.v1.Gone', personalData: PersonalData.UNSPECIFIED });
      expect({ payload: gone?.payload, json: gone?.json }).toEqual({ payload: undefined, json: undefined });
    } finally {
      await app.database.query(`update cqrs.event set type = $2 where id = $1`, [first?.id, first?.type]);
    }
  });

  it('refuses types that are stored nowhere, naming them', async () => {
    expect(await refusalOf(list({ filter: { types: ['users.v1.UserCreated', 'users.v1.UserMade'] } }))).toMatchObject({
      code: 'InvalidArgument',
      reason: 'EVENT_TYPE_UNKNOWN',
      fields: ['filter.types'],
    });
  });

  it('needs events.read', async () => {
    expect(await refusalOf(list({}, 'operator'))).toMatchObject({ code: 'PermissionDenied', reason: 'PERMISSION_MISSING' });
  });
});
