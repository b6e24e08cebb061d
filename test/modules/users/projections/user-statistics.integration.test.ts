import { randomUUID } from 'node:crypto';
import type { DescMessage } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  UserCreatedSchema,
  UserDeletedSchema,
  UserLoggedInSchema,
  UserNameChangedSchema,
  UserReactivatedSchema,
  UserSuspendedSchema,
} from '#gen/users/v1/events_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { application } from '../../../../src/app.ts';
import { userStatistics } from '../../../../src/modules/users/projections/user-statistics.ts';
import { fold, type Happened, startTestService, type TestService } from '../../../../src/testing/index.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { refusalOf } from '../../../support/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { startTestApp } from '../../../support/test-app.ts';
import { randomCommands } from '../random-commands.ts';
import { sendAll, signUpUsers } from '../rebuilt.ts';

/** What GetUserStatistics tells, without how far it is. */
interface Told {
  readonly users: Record<string, number>;
  readonly days: Record<string, { readonly signUps: number; readonly logIns: number }>;
}

/** The same rules, told one event after the other. */
function toldBy(events: readonly { type: string; aggregateId: string; at: Date }[]): Told {
  const status = new Map<string, string>();
  const days: Record<string, { signUps: number; logIns: number }> = {};
  for (const { type, aggregateId, at } of events) {
    const day = at.toISOString().slice(0, 10);
    if (type === 'users.v1.UserCreated' || type === 'users.v1.UserLoggedIn') {
      days[day] ??= { signUps: 0, logIns: 0 };
      days[day][type === 'users.v1.UserCreated' ? 'signUps' : 'logIns'] += 1;
    }
    if (type === 'users.v1.UserCreated' || type === 'users.v1.UserReactivated') status.set(aggregateId, 'active');
    if (type === 'users.v1.UserSuspended') status.set(aggregateId, 'suspended');
    if (type === 'users.v1.UserDeleted') status.set(aggregateId, 'deleted');
  }
  const users: Record<string, number> = {};
  for (const one of status.values()) users[one] = (users[one] ?? 0) + 1;
  return { users, days };
}

async function stored({ query }: Pick<TestDatabase, 'query'>): Promise<Told> {
  const users = await query<{ status: string; users: number }>(
    'select status, users::integer from read.user_count where users <> 0',
  );
  const days = await query<{ day: string; signUps: number; logIns: number }>(
    'select day::text, sign_ups::integer as "signUps", log_ins::integer as "logIns" from read.user_day',
  );
  return {
    users: Object.fromEntries(users.map(({ status, users }) => [status, users])),
    days: Object.fromEntries(days.map(({ day, ...rest }) => [day, rest])),
  };
}

/** Any history of a user: created, then what the domain allows. */
const histories = fc.array(
  fc.record({
    who: fc.nat(5),
    what: fc.constantFrom('logIn', 'rename', 'suspend', 'reactivate', 'delete'),
    hours: fc.nat(80),
  }),
  { maxLength: 60 },
);

type Step = { readonly who: number; readonly what: string; readonly hours: number };

/** What can happen of what was drawn: nobody is suspended twice, and nothing happens to who is deleted. */
function happening(steps: readonly Step[]): Happened[] {
  const ids = Array.from({ length: 6 }, () => randomUUID());
  const status = new Map<string, string>();
  const happened: Happened[] = [];
  const say = (event: DescMessage, aggregateId: string, hours: number): void => {
    happened.push({ event, aggregateId, at: new Date(Date.UTC(2026, 10, 29, 20) + hours * 3_600_000) });
  };
  for (const { who, what, hours } of steps) {
    const id = ids[who] ?? '';
    const now = status.get(id);
    if (now === undefined) {
      say(UserCreatedSchema, id, hours);
      status.set(id, 'active');
    } else if (now === 'deleted') continue;
    else if (what === 'logIn' && now === 'active') say(UserLoggedInSchema, id, hours);
    else if (what === 'rename') say(UserNameChangedSchema, id, hours);
    else if (what === 'suspend' && now === 'active') {
      say(UserSuspendedSchema, id, hours);
      status.set(id, 'suspended');
    } else if (what === 'reactivate' && now === 'suspended') {
      say(UserReactivatedSchema, id, hours);
      status.set(id, 'active');
    } else if (what === 'delete') {
      say(UserDeletedSchema, id, hours);
      status.set(id, 'deleted');
    }
  }
  return happened;
}

describe('the projection user_statistics', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  it('comes to what the events tell one by one, however they are cut into batches', () =>
    fc.assert(
      fc.asyncProperty(histories, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), async (steps, sizes) => {
        await database.query('truncate read.user_count, read.user_day, read.user_status');
        const happened = happening(steps);
        for (let from = 0, batch = 0; from < happened.length; batch += 1) {
          const size = sizes[batch % sizes.length] ?? 1;
          await fold(database, userStatistics, happened.slice(from, from + size));
          from += size;
        }
        const events = happened.map(({ event, aggregateId, at }) => ({
          type: event.typeName,
          aggregateId,
          at: at ?? new Date(0),
        }));
        expect(await stored(database)).toEqual(toldBy(events));
      }),
      { numRuns: 150 },
    ));

  it('counts a user who was created, suspended and deleted in one batch once, as deleted', async () => {
    await database.query('truncate read.user_count, read.user_day, read.user_status');
    const aggregateId = randomUUID();
    const happened = [UserCreatedSchema, UserSuspendedSchema, UserDeletedSchema].map((event) => ({ event, aggregateId }));
    await fold(database, userStatistics, happened);
    expect((await stored(database)).users).toEqual({ deleted: 1 });
  });
});

describe('GetUserStatistics', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService(application, { environment: { RATE_LIMITS: 'sign-up=off,log-in=off' } });
  });
  afterAll(() => service.stop());

  interface Answer {
    readonly activeUsers: bigint;
    readonly suspendedUsers: bigint;
    readonly deletedUsers: bigint;
    readonly days: readonly { readonly day: string; readonly signUps: bigint; readonly logIns: bigint }[];
    readonly asOfSequence: bigint;
    readonly asOf?: Date;
  }
  async function asked(days = 0): Promise<Answer> {
    const { answer } = await service
      .given()
      .as({ roles: ['auditor'] })
      .when(QueryService.method.getUserStatistics, { days })
      .outcome();
    return answer as unknown as Answer;
  }
  const { query } = { query: (text: string) => service.database.query<Record<string, unknown>>(text) };

  it('tells what is stored, whatever commands were done, and up to which event', () =>
    fc.assert(
      fc.asyncProperty(randomCommands(3, randomUUID()), async (commands) => {
        const scenario = service.given();
        const ids = await signUpUsers(scenario, 3, randomUUID());
        await sendAll(scenario, ids, commands);
        const [last] = await query('select count(*) from cqrs.event');
        let answer = await asked();
        await eventually(async () => {
          answer = await asked();
          expect(answer.asOfSequence).toBe(BigInt(last?.count as string));
        });

        const users = await query('select status, count(*) as count from users."user" group by status');
        const countOf = (status: string): bigint => BigInt((users.find((row) => row.status === status)?.count as string) ?? 0);
        expect(answer).toMatchObject({
          activeUsers: countOf('active'),
          suspendedUsers: countOf('suspended'),
          deletedUsers: countOf('deleted'),
        });
        const events = await query(
          'select type, aggregate_id as "aggregateId", occurred_at as at from cqrs.event order by position',
        );
        const { days } = toldBy(events as never);
        const told = answer.days.map(({ day, signUps, logIns }) => [day, { signUps: Number(signUps), logIns: Number(logIns) }]);
        expect(Object.fromEntries(told)).toEqual(days);
        const [newest] = await query(
          'select occurred_at from cqrs.feed join cqrs.event using (position) order by sequence desc limit 1',
        );
        expect(answer.asOf).toEqual(newest?.occurred_at);
      }),
      { numRuns: 12 },
    ));

  it('returns the newest days, as many as asked for', async () => {
    await query(`insert into read.user_day select date '2020-01-01' + n, n, 0 from generate_series(1, 40) as n`);
    expect((await asked(3)).days.slice(1).map(({ day, signUps }) => [day, signUps])).toEqual([
      ['2020-02-10', 40n],
      ['2020-02-09', 39n],
    ]);
    expect((await asked()).days).toHaveLength(30);
    expect((await asked(5000)).days).toHaveLength(41);
  });

  it('is for those who may read users, and is empty where there are none', async () => {
    await using app = { ...(await startTestApp()), [Symbol.asyncDispose]: () => app.stop() };
    const failure = app.client(QueryService, { roles: [] }).getUserStatistics({});
    expect(await refusalOf(failure)).toMatchObject({ reason: 'PERMISSION_MISSING' });
    const answer = await app.client(QueryService, { roles: ['auditor'] }).getUserStatistics({});
    expect(answer).toMatchObject({ activeUsers: 0n, suspendedUsers: 0n, deletedUsers: 0n, days: [], asOfSequence: 0n });
    expect(answer.asOf).toBeUndefined();
  });
});
