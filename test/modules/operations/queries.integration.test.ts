import { randomUUID } from 'node:crypto';
import type { CallOptions } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ProcessorKind, ProjectionKind, QueryService, TimerState } from '../../../gen/operations/v1/query_service_pb.js';
import { DifferenceKind, RebuildState } from '../../../gen/operations/v1/rebuild_pb.js';
import { refusalOf } from '../../support/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { PROCESS, setTimer } from './set-timers.ts';

/** Only rows: no module declares it, so no instance works on it. */
const PROJECTION = 'kept_by_nobody';
const GONE = randomUUID();
/** It seems to know the projection, and does nothing. */
const KNOWING = randomUUID();
const AGGREGATE = randomUUID();
const FAILED = randomUUID();
const VERIFIED = randomUUID();
const RUNNING = randomUUID();

/** The timers, as they are due. */
let timers: { failed: string; retried: string; due: string; waiting: string; later: string };
let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
  const { query } = app.database;
  await query(
    `insert into cqrs.instance (id, host, pid, version, started_at, seen_at, processors)
     values ($1, 'elsewhere', 4711, '0.1.0', now() - interval '1 hour', now() - interval '1 minute', '{}'),
       ($2, 'elsewhere', 4712, '0.1.0', now(), now() + interval '1 hour', array[$3])`,
    [GONE, KNOWING, PROJECTION],
  );
  await query(
    `insert into cqrs.processor (name, kind, partition, partitions, checkpoint, owner, paused, attempts, error, failing_since, retry_at)
     values ($1, 'projection', 0, 2, 0, $2, false, 3, 'the statement failed with SQLSTATE 22012', now() - interval '1 minute', now()),
       ($1, 'projection', 1, 2, 0, null, true, 0, null, null, null)`,
    [PROJECTION, GONE],
  );
  await query(
    `insert into cqrs.dead_letter (processor, partition, sequence, aggregate_id, type, attempts, error)
     select $1, 0, n, $2, 'users.v1.UserCreated', 3, 'SQLSTATE 22012' from generate_series(1, 5) as n`,
    [PROJECTION, AGGREGATE],
  );
  await query(
    `insert into cqrs.rebuild
       (id, projection, verify, state, step, done, total, owner, started_at, updated_at, finished_at, error, differences)
     values ($1, 'failed_one', false, 'failed', 'folding', 5, 10, null, now() - interval '1 hour', now(), now(), 'out of room', null),
       ($2, 'verified_one', true, 'done', '', 10, 10, null, now() - interval '1 hour', now(), now(), null, $4),
       ($3, $5, false, 'running', 'folding', 2000, 10000, $6, now() - interval '2 seconds', now(), null, null, null)`,
    [
      FAILED,
      VERIFIED,
      RUNNING,
      JSON.stringify([{ table: 'read.user_directory', key: AGGREGATE, kind: 'changed', columns: ['name'] }]),
      PROJECTION,
      GONE,
    ],
  );
  timers = {
    failed: await setTimer(app, {
      dueIn: '-3 hours',
      state: 'failed',
      attempts: 4,
      refusals: 3,
      error: 'it was refused',
      retryAt: '2100-01-01',
    }),
    retried: await setTimer(app, { dueIn: '-2 hours', attempts: 9, error: 'UNAVAILABLE', retryAt: '2100-01-01T00:00:00Z' }),
    due: await setTimer(app, { dueIn: '-1 hour' }),
    waiting: await setTimer(app, { dueIn: '1 hour' }),
    later: await setTimer(app, { dueIn: '2 hours', process: 'sent_by_others' }),
  };
});
afterAll(() => app.stop());

const queries = () => app.client(QueryService, { roles: ['operator'] });
const strong: CallOptions = { headers: { 'cqrs-consistency': 'strong' } };

describe('GetStatus', () => {
  it('shows every part', async () => {
    const status = await queries().getStatus({}, strong);
    expect(status.readAt).toBeDefined();
    expect(status.databases).toMatchObject([
      { name: 'primary', up: true, lagBytes: 0n },
      { name: 'replica-1', up: true },
    ]);
    expect(status.sequencer).toMatchObject({ waiting: { seconds: expect.anything() } });
    expect(status.log).toMatchObject({ unsealed: { seconds: expect.anything() } });
    expect(status.instances.find(({ instanceId }) => instanceId === GONE)).toMatchObject({
      host: 'elsewhere',
      pid: 4711,
      alive: false,
      processors: 1,
    });
    expect(status.processors.filter(({ name }) => name === PROJECTION)).toMatchObject([
      {
        kind: ProcessorKind.PROJECTION,
        partition: 0,
        partitions: 2,
        instanceId: GONE,
        attempts: 3,
        error: 'the statement failed with SQLSTATE 22012',
        paused: false,
        deadLetters: 5n,
      },
      { partition: 1, instanceId: '', paused: true, error: '', deadLetters: 0n },
    ]);
    expect(status.rebuilds.map(({ projection, state }) => [projection, state])).toEqual([
      ['failed_one', RebuildState.FAILED],
      [PROJECTION, RebuildState.RUNNING],
      ['verified_one', RebuildState.DONE],
    ]);
    expect(status.timers).toMatchObject({ waiting: 2n, due: 2n, failed: 1n });
    expect(Number(status.timers?.late?.seconds)).toBeGreaterThanOrEqual(7200);
    const next = Number(status.timers?.nextDueAt?.seconds) - Number(status.readAt?.seconds);
    expect(next).toBeGreaterThan(3000);
    expect(next).toBeLessThanOrEqual(3600);
  });

  it('says what is wrong, the worst first', async () => {
    const { problems } = await queries().getStatus({}, strong);
    const own = problems.map(({ subject, description }) => `${subject} ${description}`);
    expect(own).toEqual([
      `projection ${PROJECTION}, partition 0 fails and tries again: the statement failed with SQLSTATE 22012`,
      `projection ${PROJECTION}, partition 0 has parked 5 events: \`bicameral dead-letters list\` says why`,
      `timers of ${PROCESS} 1 failed: \`bicameral timers list --state failed\` says why`,
      `timers of ${PROCESS} 2 commands not done, due for up to 2 h: \`bicameral timers list --state due\` says why`,
      'rebuild of failed_one failed: out of room',
      'verification of verified_one found 1 difference: `bicameral projection rebuild verified_one` makes the tables again',
      `projection ${PROJECTION}, partition 1 is paused, 0 events behind: \`bicameral projection resume ${PROJECTION}\``,
      expect.stringMatching(/^instance 4711 on elsewhere was last seen \d+ s ago/),
    ]);
  });

  it('counts what lags behind, and tells how old it is', async () => {
    await app.database.query(
      `insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
       select gen_random_uuid(), 'test.v1.Happened', '', 'test.v1.Thing', $1, n, $1, '', now() - interval '1 hour'
       from generate_series(1, 3) as n`,
      [AGGREGATE],
    );
    await eventually(async () => {
      const { processors, sequencer } = await queries().getStatus({}, strong);
      expect(sequencer?.lastSequence).toBe(3n);
      expect(sequencer?.waitingEvents).toBe(0n);
      const [processor] = processors.filter(({ name }) => name === PROJECTION);
      expect(processor?.lagEvents).toBe(3n);
      expect(Number(processor?.lag?.seconds)).toBeGreaterThanOrEqual(3600);
    });
  });
});

describe('GetRebuild', () => {
  it('tells how far it is and how long it takes', async () => {
    const { rebuild } = await queries().getRebuild({ rebuildId: RUNNING }, strong);
    expect(rebuild).toMatchObject({ state: RebuildState.RUNNING, step: 'folding', done: 2000n, total: 10_000n });
    expect(rebuild?.perSecond).toBeCloseTo(1000, -1);
    expect(Number(rebuild?.timeLeft?.seconds)).toBe(8);
  });

  it('tells what a verification found', async () => {
    const { rebuild } = await queries().getRebuild({ rebuildId: VERIFIED }, strong);
    expect(rebuild).toMatchObject({
      verify: true,
      differenceCount: 1n,
      differences: [{ table: 'read.user_directory', key: AGGREGATE, kind: DifferenceKind.CHANGED, columns: ['name'] }],
    });
    expect(rebuild?.timeLeft).toBeUndefined();
  });

  it('refuses an unknown one', async () => {
    const refusal = await refusalOf(queries().getRebuild({ rebuildId: randomUUID() }, strong));
    expect(refusal).toMatchObject({ code: 'NotFound', reason: 'REBUILD_NOT_FOUND' });
  });
});

describe('ListProjections', () => {
  it('lists what modules declare, by name', async () => {
    const { projections } = await queries().listProjections({}, strong);
    expect(projections.map(({ name }) => name)).toEqual(projections.map(({ name }) => name).toSorted());
    expect(projections.find(({ name }) => name === 'user_directory')).toMatchObject({
      module: 'users',
      kind: ProjectionKind.INLINE,
      partitions: [],
    });
  });
});

describe('ListDeadLetters', () => {
  it('pages through them, the oldest first', async () => {
    const seen: bigint[] = [];
    let pageToken = '';
    do {
      const page = await queries().listDeadLetters({ processor: PROJECTION, pageSize: 2, pageToken }, strong);
      expect(page.deadLetters.length).toBeLessThanOrEqual(2);
      seen.push(...page.deadLetters.map(({ sequence }) => sequence));
      pageToken = page.nextPageToken;
    } while (pageToken);
    expect(seen).toEqual([1n, 2n, 3n, 4n, 5n]);
  });

  it('refuses the token of another list', async () => {
    const { nextPageToken } = await queries().listDeadLetters({ processor: PROJECTION, pageSize: 2 }, strong);
    const refusal = await refusalOf(queries().listDeadLetters({ pageToken: nextPageToken }, strong));
    expect(refusal).toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
  });
});

describe('ListTimers', () => {
  it('pages through them, those that are due first come first', async () => {
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await queries().listTimers({ pageSize: 2, pageToken }, strong);
      expect(page.timers.length).toBeLessThanOrEqual(2);
      seen.push(...page.timers.map(({ timerId }) => timerId));
      pageToken = page.nextPageToken;
    } while (pageToken);
    expect(seen).toEqual(Object.values(timers));
  });

  it('tells what becomes of each', async () => {
    const { timers: listed } = await queries().listTimers({}, strong);
    expect(listed).toMatchObject([
      { timerId: timers.failed, state: TimerState.FAILED, attempts: 4, error: 'it was refused' },
      { timerId: timers.retried, state: TimerState.DUE, attempts: 9, error: 'UNAVAILABLE', retryAt: { seconds: 4_102_444_800n } },
      { timerId: timers.due, state: TimerState.DUE, attempts: 0, error: '' },
      {
        timerId: timers.waiting,
        process: PROCESS,
        processKey: timers.waiting,
        key: 'unpaid',
        method: 'orders.v1.CommandService/CancelOrder',
        state: TimerState.WAITING,
        causationId: timers.waiting,
        correlationId: timers.waiting,
      },
      { timerId: timers.later, process: 'sent_by_others', state: TimerState.WAITING },
    ]);
    // It is not sent again by itself.
    expect(listed[0]?.retryAt).toBeUndefined();
  });

  it.each([
    [{ state: TimerState.WAITING }, ['waiting', 'later']],
    [{ state: TimerState.DUE }, ['retried', 'due']],
    [{ state: TimerState.FAILED }, ['failed']],
    [{ process: 'sent_by_others' }, ['later']],
    [{ process: 'sent_by_others', state: TimerState.DUE }, []],
  ] as const)('lists those that are %j', async (filter, names) => {
    const { timers: listed } = await queries().listTimers(filter, strong);
    expect(listed.map(({ timerId }) => timerId)).toEqual(names.map((name) => timers[name]));
  });

  it('refuses the token of another list', async () => {
    const { nextPageToken } = await queries().listTimers({ process: PROCESS, pageSize: 2 }, strong);
    const refusal = await refusalOf(queries().listTimers({ pageToken: nextPageToken }, strong));
    expect(refusal).toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
  });
});

it('is what the metrics tell, too', async () => {
  await eventually(async () => {
    const { metrics } = await app.app.metrics();
    const value = (name: string, labels: Record<string, string>) =>
      metrics
        .find((metric) => metric.name === name)
        ?.values.find(({ labels: own }) => Object.entries(labels).every(([key, label]) => own[key] === label))?.value;
    const processor = PROJECTION;
    expect(value('cqrs_dead_letters', { processor })).toBe(5);
    expect(value('cqrs_processor_paused', { processor })).toBe(1);
    expect(value('cqrs_processor_failing_seconds', { processor })).toBeGreaterThanOrEqual(60);
    expect(value('cqrs_processor_lag_events', { processor })).toBe(3);
    expect(value('cqrs_processor_lag_seconds', { processor })).toBeGreaterThanOrEqual(3600);
    expect(value('cqrs_rebuild_failed', { projection: 'failed_one' })).toBe(1);
    expect(value('cqrs_rebuild_failed', { projection: PROJECTION })).toBe(0);
    expect(value('cqrs_rebuild_done_ratio', { projection: PROJECTION })).toBe(0.2);
    expect(value('cqrs_timers', { process: PROCESS, state: 'failed' })).toBe(1);
    expect(value('cqrs_timers', { process: PROCESS, state: 'due' })).toBe(2);
    expect(value('cqrs_timers', { process: PROCESS, state: 'waiting' })).toBe(1);
    expect(value('cqrs_timers_late_seconds', { process: PROCESS })).toBeGreaterThanOrEqual(7200);
    expect(value('cqrs_instances', { state: 'gone' })).toBe(1);
    expect(value('cqrs_processor_parked_total', { processor: 'user_statistics' })).toBe(0);
  });
});

it('is for those who operate the service', async () => {
  const refused = app.client(QueryService, { roles: ['auditor'] }).getStatus({});
  expect(await refusalOf(refused)).toMatchObject({ code: 'PermissionDenied', metadata: { permission: 'operations.read' } });
});
