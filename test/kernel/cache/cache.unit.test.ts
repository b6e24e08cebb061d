import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { UserLoggedInSchema } from '#gen/users/v1/events_pb.js';
import { GetUserResponseSchema, QueryService } from '#gen/users/v1/query_service_pb.js';
import { Answer } from '../../../src/kernel/bus/answer.ts';
import type { Call } from '../../../src/kernel/bus/call.ts';
import { principalKey } from '../../../src/kernel/bus/context-keys.ts';
import { CallCanceled, domainError } from '../../../src/kernel/bus/errors.ts';
import type { CacheRule } from '../../../src/kernel/cache/cache-rule.ts';
import { FollowedDatabase } from '../../../src/kernel/cache/followed-database.ts';
import { Freshness } from '../../../src/kernel/cache/freshness.ts';
import { QueryCache } from '../../../src/kernel/cache/query-cache.ts';
import { LogPositions } from '../../../src/kernel/database/read/log-positions.ts';
import { type CacheResult, cache as cacheMiddleware } from '../../../src/kernel/middleware/cache.ts';
import { Reason, ReasonSchema } from '../../gen/conformance/v1/conformance_pb.js';
import { around, callTo } from '../middleware/test-call.ts';
import { FakeDatabase, type Told } from './fake-database.ts';

class Missing extends domainError(ReasonSchema, Reason.MISSING) {}

const { getUser } = QueryService.method;
const ADA = '019ab000-0000-7000-8000-0000000000aa';
const BOB = '019ab000-0000-7000-8000-0000000000bb';
const RENAMED = 'users.v1.UserNameChanged';
const LOGGED_IN = UserLoggedInSchema.typeName;
const STATISTICS = { name: 'statistics', events: [UserLoggedInSchema] };

const BY_USER: CacheRule = {
  method: getUser,
  ms: 30_000,
  by: 'userId',
  types: undefined,
  isPersonal: false,
  projections: [],
};
const OF_LOG_INS: CacheRule = { ...BY_USER, by: undefined, types: new Set([LOGGED_IN]), projections: [STATISTICS] };

interface Asking {
  readonly userId?: string;
  readonly header?: Record<string, string>;
  readonly caller?: string;
}

/** The middleware over a database whose looks the test ends. Reads wait for the test too, when `holds` is set. */
async function running(rule: CacheRule = BY_USER, { maxBytes = 1_000_000, isFollowed = true } = {}) {
  const database = new FakeDatabase();
  let now = 0;
  let isHealthy = true;
  const cache = new QueryCache({ maxBytes, now: () => now });
  const positions = new LogPositions('primary');
  const followed = new FollowedDatabase('replica-1', () => database, {
    projections: [STATISTICS],
    news: database,
    onEvent: cache.onEvent,
    tick: cache.tick,
    now: () => now,
    systemIdentifier: () => 1n,
    isHealthy: () => isHealthy,
    staleness: () => 40,
  });
  const results: CacheResult[] = [];
  const tokens = { open: () => ({}) as never, seal: () => '' };
  const middleware = cacheMiddleware({
    ruleOf: () => rule,
    cache,
    databases: { named: () => followed },
    freshness: new Freshness({ tokens, positions, now: () => now }),
    report: () => (result) => results.push(result),
  });
  const reads: { readonly call: Call; readonly end: PromiseWithResolvers<Answer> }[] = [];
  const chain = around(middleware, getUser, (call) => {
    const end = Promise.withResolvers<Answer>();
    reads.push({ call, end });
    call.cancellation.onCancel(end.reject);
    return end.promise;
  });
  const call = ({ userId = ADA, header = {}, caller = 'ada' }: Asking = {}): Call => {
    const made = callTo(getUser, { request: { userId }, header });
    made.contextValues.set(principalKey, { id: caller, roles: [], permissions: new Set<string>(), session: '' });
    return made;
  };
  const send = (sent: Call) => chain(sent).then((answer) => nameIn(answer));
  /** Ends a read with that name of the user. */
  const answer = async (name: string, { index = reads.length - 1, headers = {} as Record<string, string> } = {}) => {
    const made = new Answer(getUser, create(GetUserResponseSchema, { user: { name } }));
    for (const [header, value] of Object.entries({ 'cqrs-served-by': 'replica-1', 'cqrs-staleness-ms': '40', ...headers }))
      made.setHeader(header, value);
    reads[index]?.end.resolve(made);
    await turn();
  };
  /** Asks, and has the answer read if nothing is kept. */
  const ask = async (name: string, asking?: Asking): Promise<string> => {
    const before = reads.length;
    const asked = send(call(asking));
    await turn();
    if (reads.length > before) await answer(name);
    return await asked;
  };
  const standsStill = { last: 5, checkpoints: { statistics: 5 } };
  for (const told of isFollowed ? [standsStill, standsStill] : []) await database.tell(told);
  return {
    cache,
    chain,
    database,
    followed,
    reads,
    results,
    call,
    send,
    answer,
    ask,
    tell: (told: Told | Error) => database.tell(told instanceof Error ? told : { ...standsStill, ...told }),
    pass: (ms: number) => {
      now += ms;
    },
    becomes: (healthy: boolean) => {
      isHealthy = healthy;
    },
    [Symbol.dispose]: () => followed.stop(),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const nameIn = ({ message }: Answer): string => (message as unknown as { user: { name: string } }).user.name;
const numbered = (sequence: number, type: string, aggregateId: string): Told => ({
  last: sequence,
  numbered: [[sequence, 100 + sequence, type, aggregateId]],
});

describe('an answer that is kept', () => {
  it('is given again, to everybody who may ask', async () => {
    using test = await running();
    expect(await test.ask('Ada')).toBe('Ada');
    expect(await test.ask('never read')).toBe('Ada');
    expect(await test.ask('never read', { caller: 'bob' })).toBe('Ada');
    expect(test.results).toEqual(['miss', 'hit', 'hit']);
  });

  it('is for one caller alone where the contract says so', async () => {
    using test = await running({ ...BY_USER, isPersonal: true });
    await test.ask('for ada');
    expect(await test.ask('for bob', { caller: 'bob' })).toBe('for bob');
    expect(await test.ask('never read')).toBe('for ada');
  });

  it('ends with an event of its aggregate, however its id was written, and with no other', async () => {
    using test = await running();
    await test.ask('Ada');
    await test.ask('Ada', { userId: ADA.toUpperCase() });
    await test.ask('Bob', { userId: BOB });
    await test.tell(numbered(6, RENAMED, ADA));
    expect(await test.ask('Ada the Second')).toBe('Ada the Second');
    expect(await test.ask('Ada the Second', { userId: ADA.toUpperCase() })).toBe('Ada the Second');
    expect(await test.ask('never read', { userId: BOB })).toBe('Bob');
  });

  it('ends with an event that has no number yet, and not again when it gets one', async () => {
    using test = await running();
    await test.ask('Ada');
    await test.tell({ unnumbered: [[106, RENAMED, ADA]] });
    expect(await test.ask('Ada the Second')).toBe('Ada the Second');
    await test.tell({ unnumbered: [[106, RENAMED, ADA]] });
    await test.tell(numbered(6, RENAMED, ADA));
    expect(await test.ask('never read')).toBe('Ada the Second');
    await test.tell({ last: 7, numbered: [[7, 107, RENAMED, ADA]] });
    expect(await test.ask('Ada the Third')).toBe('Ada the Third');
  });

  it('is not of a read that began before the event', async () => {
    using test = await running();
    const asked = test.send(test.call());
    await test.tell(numbered(6, RENAMED, ADA));
    await test.answer('Ada');
    expect(await asked).toBe('Ada');
    expect(await test.ask('Ada the Second')).toBe('Ada the Second');
  });

  it('is not of a read that began before the database was followed', async () => {
    using test = await running(BY_USER, { isFollowed: false });
    const asked = test.send(test.call());
    await test.tell({});
    await test.answer('Ada');
    expect(await asked).toBe('Ada');
    expect(await test.ask('Ada again')).toBe('Ada again');
    expect(await test.ask('never read')).toBe('Ada again');
  });

  it('is not of a database that cannot be followed', async () => {
    using test = await running();
    await test.tell(new Error('connection lost'));
    expect(await test.ask('Ada')).toBe('Ada');
    expect(await test.ask('Ada again')).toBe('Ada again');
  });

  it('is not given while its database is not read, or nothing is heard of it', async () => {
    using test = await running();
    await test.ask('Ada');
    test.becomes(false);
    expect(await test.ask('from another database')).toBe('from another database');
    test.becomes(true);
    await test.ask('Ada');
    test.pass(3_000);
    expect(await test.ask('after silence')).toBe('after silence');
  });

  it('ends when the database is another one, or its feed is shorter', async () => {
    for (const told of [{ state: 'restarted' }, { last: 4 }]) {
      using test = await running();
      await test.ask('Ada');
      await test.tell(told);
      expect(await test.ask('Ada elsewhere')).toBe('Ada elsewhere');
    }
  });

  it('ends after its time', async () => {
    using test = await running();
    await test.ask('Ada');
    for (let seconds = 0; seconds < 30; seconds += 1) {
      test.pass(1_000);
      await test.tell({});
    }
    expect(await test.ask('later')).toBe('later');
  });

  it('goes when there is no more room, the one first that was asked for the longest time ago', async () => {
    using test = await running(BY_USER, { maxBytes: 1_400 });
    await test.ask('Ada');
    await test.ask('Bob', { userId: BOB });
    await test.ask('never read');
    await test.ask('Cleo', { userId: '019ab000-0000-7000-8000-0000000000cc' });
    expect(await test.ask('never read')).toBe('Ada');
    expect(await test.ask('Bob again', { userId: BOB })).toBe('Bob again');
    expect(test.cache.bytes).toBeLessThanOrEqual(1_400);
  });

  it('is not one with headers that the bus does not know, nor an error', async () => {
    using test = await running();
    const asked = test.send(test.call());
    await test.answer('with a cookie', { headers: { 'x-for-ada': 'yes' } });
    await asked;
    expect(await test.ask('Ada')).toBe('Ada');
    const failed = test.send(test.call({ userId: BOB }));
    test.reads.at(-1)?.end.reject(new Missing('no Bob'));
    await expect(failed).rejects.toThrow('no Bob');
    expect(await test.ask('Bob', { userId: BOB })).toBe('Bob');
  });

  it('has the bytes of the wire, and a message of its own for each who looks at it', async () => {
    using test = await running();
    await test.ask('Ada');
    const [one, other] = [await test.chain(test.call()), await test.chain(test.call())];
    expect(one.bytes).toEqual(toBinary(GetUserResponseSchema, create(GetUserResponseSchema, { user: { name: 'Ada' } })));
    (one.message as unknown as { user: { name: string } }).user.name = 'changed on its way';
    expect(one.bytes).toBeUndefined();
    expect(nameIn(other)).toBe('Ada');
  });

  it('has the form that a door has made of it, but where its message was looked at, and takes more room then', async () => {
    using test = await running(BY_USER, { maxBytes: 1_400 });
    await test.ask('Ada');
    const { bytes } = test.cache;
    const { keptForm } = await test.chain(test.call());
    if (keptForm) keptForm.json = Buffer.from('{"user":{"name":"Ada"}}');
    expect(test.cache.bytes).toBeGreaterThan(bytes + 23);
    const given = await test.chain(test.call());
    expect(given.keptForm?.json?.toString()).toContain('Ada');
    expect(nameIn(given)).toBe('Ada');
    expect(given.keptForm).toBeUndefined();
    // One that no longer is kept takes no room.
    await test.tell({ numbered: [[6, 6, RENAMED, ADA]], last: 6 });
    if (keptForm) keptForm.json = Buffer.from('{}');
    expect(test.cache.bytes).toBe(0);
  });
});

describe('an answer of an async projection', () => {
  it('is kept only when the projection has handled all that it takes', async () => {
    using test = await running(OF_LOG_INS);
    await test.ask('5 log-ins');
    expect(await test.ask('never read')).toBe('5 log-ins');
    await test.tell(numbered(6, LOGGED_IN, BOB));
    // The projection is a moment behind its event.
    await test.ask('still 5');
    await test.tell({ last: 6 });
    expect(await test.ask('6 log-ins')).toBe('6 log-ins');
    await test.tell({ last: 6, checkpoints: { statistics: 6 } });
    await test.ask('6 log-ins');
    expect(await test.ask('never read')).toBe('6 log-ins');
    await test.tell({ ...numbered(7, RENAMED, BOB), checkpoints: { statistics: 6 } });
    expect(await test.ask('never read')).toBe('6 log-ins');
  });

  it('is not kept while there is an event for it without a number', async () => {
    using test = await running(OF_LOG_INS);
    await test.tell({ unnumbered: [[106, LOGGED_IN, BOB]] });
    await test.ask('5');
    expect(await test.ask('6')).toBe('6');
    await test.tell({ ...numbered(6, LOGGED_IN, BOB), checkpoints: { statistics: 6 } });
    await test.ask('6');
    expect(await test.ask('never read')).toBe('6');
  });

  it('is not of a read that began before the projection had handled it', async () => {
    using test = await running(OF_LOG_INS);
    await test.tell(numbered(6, LOGGED_IN, BOB));
    const asked = test.send(test.call());
    await turn();
    await test.tell({ last: 6, checkpoints: { statistics: 6 } });
    await test.answer('still 5');
    await asked;
    expect(await test.ask('6')).toBe('6');
  });
});

describe('calls that ask for the same at once', () => {
  it('read once', async () => {
    using test = await running();
    const asked = [test.send(test.call()), test.send(test.call()), test.send(test.call())];
    await turn();
    await test.answer('Ada');
    expect(await Promise.all(asked)).toEqual(['Ada', 'Ada', 'Ada']);
    expect(test.reads).toHaveLength(1);
    expect(test.results).toEqual(['miss', 'shared', 'shared']);
  });

  it('go on when the one is canceled that was reading', async () => {
    using test = await running();
    const leader = test.call();
    const asked = [test.send(leader), test.send(test.call()), test.send(test.call())];
    await turn();
    leader.cancellation.cancel(new CallCanceled());
    await expect(asked[0]).rejects.toBeInstanceOf(CallCanceled);
    await turn();
    await test.answer('Ada');
    expect(await Promise.all(asked.slice(1))).toEqual(['Ada', 'Ada']);
    expect(test.reads).toHaveLength(2);
  });

  it('each end when they are canceled, and the read goes on', async () => {
    using test = await running();
    const follower = test.call();
    const [first, second] = [test.send(test.call()), test.send(follower)];
    await turn();
    follower.cancellation.cancel(new CallCanceled());
    await expect(second).rejects.toBeInstanceOf(CallCanceled);
    await test.answer('Ada');
    expect(await first).toBe('Ada');
  });

  it('do not wait for a read that began before an event', async () => {
    using test = await running();
    const first = test.send(test.call());
    await test.tell(numbered(6, RENAMED, ADA));
    const second = test.send(test.call());
    await turn();
    await test.answer('Ada the Second', { index: 1 });
    expect(await second).toBe('Ada the Second');
    await test.answer('Ada', { index: 0 });
    expect(await first).toBe('Ada');
    expect(await test.ask('never read')).toBe('Ada the Second');
  });
});

describe('what is known of a database', () => {
  const place = (lsn: bigint) => ({ timeline: 1, lsn });

  it('is, of a replica, what it had applied by the look before', async () => {
    using test = await running();
    await test.tell({ lsn: '0/2000' });
    expect(test.followed.has).toEqual(place(0x1000n));
    await test.tell({ lsn: '0/3000' });
    expect(test.followed.has).toEqual(place(0x2000n));
  });

  it('is, of a primary, what it had written when all had ended that may not be seen yet', async () => {
    using test = await running();
    await test.tell({ standby: false, lsn: '0/2000', oldest: 10, next: 10 });
    // Transaction 10 has written and is not over.
    await test.tell({ standby: false, lsn: '0/3000', oldest: 10, next: 12 });
    expect(test.followed.has).toEqual(place(0x1000n));
    await test.tell({ standby: false, lsn: '0/4000', oldest: 11, next: 13 });
    expect(test.followed.has).toEqual(place(0x1000n));
    await test.tell({ standby: false, lsn: '0/5000', oldest: 12, next: 13 });
    expect(test.followed.has).toEqual(place(0x2000n));
  });

  it('is nothing more while a look does not tell everything', async () => {
    using test = await running();
    await test.tell({ lsn: '0/2000' });
    const many = Array.from({ length: 500 }, (_, index) => [6 + index, 106 + index, RENAMED, BOB] as const);
    await test.tell({ lsn: '0/3000', last: 600, numbered: many });
    expect(test.followed.has).toEqual(place(0x1000n));
  });
});

describe('a call that says how new its answer has to be', () => {
  it('with `strong`, reads; what it read takes the place of what was kept', async () => {
    using test = await running();
    await test.ask('Ada');
    expect(await test.ask('Ada now', { header: { 'cqrs-consistency': 'strong' } })).toBe('Ada now');
    expect(await test.ask('never read')).toBe('Ada now');
    expect(test.results).toEqual(['miss', 'stale', 'hit']);
  });

  it('with `cqrs-max-staleness`, counts from the last look at the database', async () => {
    using test = await running();
    await test.ask('Ada');
    test.pass(500);
    const within = (ms: number) => ({ header: { 'cqrs-max-staleness': `${ms}ms` } });
    expect(await test.ask('never read', within(540))).toBe('Ada');
    expect((await test.chain(test.call())).header.get('cqrs-staleness-ms')).toBe('540');
    await test.tell({});
    expect(await test.ask('never read', within(40))).toBe('Ada');
    expect(await test.ask('Ada now', within(39))).toBe('Ada now');
  });
});
