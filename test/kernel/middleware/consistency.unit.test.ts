import { describe, expect, it } from '@jest/globals';
import { OutageLog } from '../../../src/kernel/background/outage-log.ts';
import { Answer } from '../../../src/kernel/bus/answer.ts';
import { DatabaseUnavailable, domainError } from '../../../src/kernel/bus/errors.ts';
import { LogPositions } from '../../../src/kernel/database/read/log-positions.ts';
import { readerKey } from '../../../src/kernel/database/read/reader.ts';
import { consistency } from '../../../src/kernel/middleware/consistency.ts';
import { QueryService, Reason, ReasonSchema } from '../../gen/conformance/v1/conformance_pb.js';
import { NO_TOKENS } from '../../support/no-tokens.ts';
import { around, callTo, pass } from './test-call.ts';

class Missing extends domainError(ReasonSchema, Reason.MISSING) {}

const database = (name: string) => ({
  name,
  pool: undefined as never,
  shared: undefined as never,
  locate: async () => undefined,
});
const tokens = NO_TOKENS;
const positions = new LogPositions('primary');
const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

/** Runs a query against databases that answer, or fail as said; tells who was asked and who answered. */
async function ask(
  failures: Record<string, unknown>,
  headers: Record<string, string> = {},
  { staleness = {}, afterLook = staleness }: { staleness?: Record<string, number>; afterLook?: Record<string, number> } = {},
) {
  const asked: string[] = [];
  let looks = 0;
  const reported: string[] = [];
  const primary = database('primary');
  const candidates = () => [database('replica-1'), database('replica-2'), primary];
  const monitor = {
    reportFailure: (name: string) => reported.push(name),
    staleness: (name: string) => (looks > 0 ? afterLook : staleness)[name] ?? 0,
    refresh: async () => {
      looks += 1;
    },
    positions,
  };
  const chain = around(
    consistency({ primary, candidates, monitor: monitor as never }, { tokens }),
    QueryService.method.ask,
    async (call) => {
      const reader = call.contextValues.get(readerKey);
      const name = reader?.name ?? '';
      asked.push(name);
      if (name in failures) throw failures[name];
      return new Answer(call.method, { $typeName: 'conformance.v1.AskResponse' });
    },
  );
  const call = callTo(QueryService.method.ask, { header: headers });
  const { outcome, staleness: said } = await chain(call).then(
    ({ header }) => ({ outcome: header.get('cqrs-served-by') as unknown, staleness: header.get('cqrs-staleness-ms') }),
    (error: unknown) => ({ outcome: error, staleness: undefined }),
  );
  return { asked, reported, looks, outcome, staleness: said };
}

/** Reads a stream that gives one message and fails then. */
async function readStream(failure: unknown) {
  const reported: string[] = [];
  const replica = database('replica-1');
  const monitor = { reportFailure: (name: string) => reported.push(name), staleness: () => 0, positions };
  async function* messages() {
    yield { $typeName: 'conformance.v1.CountResponse' };
    throw failure;
  }
  const interceptor = consistency({ primary: replica, candidates: () => [replica], monitor: monitor as never }, { tokens });
  const answer = await pass(interceptor, callTo(QueryService.method.count), messages());
  let received = 0;
  try {
    for await (const _ of answer.message as AsyncIterable<unknown>) received += 1;
  } catch (error) {
    return { received, reported, error };
  }
  return { received, reported, error: undefined };
}

describe('consistency', () => {
  it('asks the first candidate and says who it was', async () => {
    expect(await ask({})).toMatchObject({ asked: ['replica-1'], reported: [], outcome: 'replica-1' });
  });

  it('asks the primary alone when the caller wants the current state', async () => {
    expect(await ask({}, { 'cqrs-consistency': 'strong' })).toMatchObject({ asked: ['primary'], outcome: 'primary' });
  });

  it('goes on to the next when a database is away, and says so to the monitor', async () => {
    expect(await ask({ 'replica-1': away, 'replica-2': away })).toMatchObject({
      asked: ['replica-1', 'replica-2', 'primary'],
      reported: ['replica-1', 'replica-2'],
      outcome: 'primary',
    });
  });

  const canceled = Object.assign(new Error('canceling statement due to conflict with recovery'), { code: '40001' });

  it('goes to the primary at once when the replica had to cancel the query for its replay, which is no failure of the replica', async () => {
    expect(await ask({ 'replica-1': canceled })).toMatchObject({
      asked: ['replica-1', 'primary'],
      reported: [],
      outcome: 'primary',
    });
  });

  it('asks the other replica after such a conflict when the primary is away', async () => {
    expect(await ask({ 'replica-1': canceled, primary: away })).toMatchObject({
      asked: ['replica-1', 'primary', 'replica-2'],
      outcome: 'replica-2',
    });
  });

  it('says how old at most is what it read, in whole milliseconds', async () => {
    const staleness = { 'replica-1': 120.2, 'replica-2': Number.POSITIVE_INFINITY, primary: 0 };
    expect((await ask({}, {}, { staleness })).staleness).toBe('121');
    expect((await ask({ 'replica-1': away }, {}, { staleness })).staleness).toBeNull();
    expect((await ask({}, { 'cqrs-consistency': 'strong' }, { staleness })).staleness).toBe('0');
  });

  it('leaves out replicas that are older than the caller wants, and looks only when none is as fresh', async () => {
    const staleness = { 'replica-1': 800, 'replica-2': 300 };
    const within = (most: string, afterLook?: Record<string, number>) =>
      ask({}, { 'cqrs-max-staleness': most }, { staleness, ...(afterLook && { afterLook }) });
    expect(await within('1s')).toMatchObject({ asked: ['replica-1'], looks: 0 });
    expect(await within('300ms')).toMatchObject({ asked: ['replica-2'], looks: 0 });
    expect(await within('299ms', { 'replica-1': 5, 'replica-2': 290 })).toMatchObject({ asked: ['replica-1'], looks: 1 });
    expect(await within('10ms')).toMatchObject({ asked: ['primary'], looks: 1 });
    expect(await within('0ms')).toMatchObject({ asked: ['primary'], looks: 0 });
  });

  it.each(['500', '0.5s', '-1s', '1h', 'soon', '1s, 2s', ''])('refuses a staleness of %j', async (value) => {
    expect((await ask({}, { 'cqrs-max-staleness': value })).outcome).toMatchObject({ reason: 'HEADER_INVALID' });
  });

  it('believes only the primary that something does not exist', async () => {
    expect((await ask({ 'replica-1': new Missing() })).outcome).toBe('primary');
    expect((await ask({ 'replica-1': new Missing(), primary: new Missing() })).outcome).toBeInstanceOf(Missing);
  });

  it('answers unavailable when all are away', async () => {
    expect((await ask({ 'replica-1': away, 'replica-2': away, primary: away })).outcome).toBeInstanceOf(DatabaseUnavailable);
  });

  it('has said once what the primary fails queries by, and once that they work again, whatever replicas do', async () => {
    const primary = database('primary');
    const log: string[] = [];
    const outages = new OutageLog('queries', {
      error: ((_: unknown, message: string) => log.push(message)) as never,
      info: ((_: unknown, message: string) => log.push(message)) as never,
    });
    const full = Object.assign(new Error('said by PostgreSQL'), { code: '53100' });
    const monitor = { reportFailure: () => {}, staleness: () => 0, positions };
    const askOf = async (source: ReturnType<typeof database>, failure?: Error): Promise<void> => {
      const chosen = consistency({ primary, candidates: () => [source], monitor: monitor as never }, { tokens, outages });
      await pass(chosen, callTo(QueryService.method.ask), failure).catch(() => {});
    };
    await askOf(primary, full);
    await askOf(database('replica-1'));
    await askOf(primary, full);
    await askOf(primary);
    await askOf(primary);
    expect(log).toEqual(['the database fails queries', 'queries work again']);
  });

  it.each([
    ['58030', 'io_error'],
    ['58P01', 'undefined_file'],
    ['53100', 'disk_full'],
    ['XX001', 'data_corrupted'],
    ['42P01', 'undefined_table, before the replica has seen a migration'],
    ['25P02', 'in_failed_sql_transaction'],
    ['57014', 'query_canceled'],
    ['42501', 'insufficient_privilege'],
  ])('goes on after %s of a replica (%s)', async (code) => {
    expect(await ask({ 'replica-1': Object.assign(new Error('said by PostgreSQL'), { code }) })).toMatchObject({
      asked: ['replica-1', 'replica-2'],
      outcome: 'replica-2',
    });
  });

  it.each(['53100', '58030', '58P01', 'XX000', 'XX001', '57P01'])('counts %s against the replica', async (code) => {
    const failure = Object.assign(new Error('said by PostgreSQL'), { code });
    expect((await ask({ 'replica-1': failure })).reported).toEqual(['replica-1']);
  });

  it.each(['42703', '22012', '40001', '57014', '53300'])('does not count %s against the replica', async (code) => {
    const failure = Object.assign(new Error('said by PostgreSQL'), { code });
    expect((await ask({ 'replica-1': failure })).reported).toEqual([]);
  });

  it('passes on what the primary says of a mistake of the query', async () => {
    const mistake = Object.assign(new Error('column does not exist'), { code: '42703' });
    expect((await ask({ 'replica-1': mistake, 'replica-2': mistake, primary: mistake })).outcome).toBe(mistake);
  });

  it('does not ask again for a mistake of this program', async () => {
    const mistake = new TypeError('undefined is not a function');
    expect(await ask({ 'replica-1': mistake })).toMatchObject({ asked: ['replica-1'], reported: [], outcome: mistake });
  });

  it.each([
    ['is away', away, ['replica-1']],
    ['had to cancel the query for its replay', Object.assign(new Error('conflict with recovery'), { code: '40001' }), []],
  ])('ends a stream with unavailable when its database %s', async (_, failure, expected) => {
    const { received, reported, error } = await readStream(failure);
    expect(received).toBe(1);
    expect(error).toBeInstanceOf(DatabaseUnavailable);
    expect(reported).toEqual(expected);
  });

  it('lets a stream fail with what is no fault of the database', async () => {
    const failure = new Missing();
    expect(await readStream(failure)).toEqual({ received: 1, reported: [], error: failure });
  });
});
