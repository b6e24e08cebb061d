import { randomUUID } from 'node:crypto';
import type { CallOptions } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ProcessorKind, ProjectionKind, QueryService } from '../../../gen/operations/v1/query_service_pb.js';
import { DifferenceKind, RebuildState } from '../../../gen/operations/v1/rebuild_pb.js';
import { refusalOf } from '../../support/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

/** Only rows: no module declares it, so no instance works on it. */
const PROJECTION = 'kept_by_nobody';
const GONE = randomUUID();
/** It seems to know the projection, and does nothing. */
const KNOWING = randomUUID();
const AGGREGATE = randomUUID();
const FAILED = randomUUID();
const VERIFIED = randomUUID();
const RUNNING = randomUUID();

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
  });

  it('says what is wrong, the worst first', async () => {
    const { problems } = await queries().getStatus({}, strong);
    const own = problems.map(({ subject, description }) => `${subject} ${description}`);
    expect(own).toEqual([
      `projection ${PROJECTION}, partition 0 fails and tries again: the statement failed with SQLSTATE 22012`,
      `projection ${PROJECTION}, partition 0 has parked 5 events: \`bicameral dead-letters list\` says why`,
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
    expect(value('cqrs_instances', { state: 'gone' })).toBe(1);
    expect(value('cqrs_processor_parked_total', { processor: 'user_statistics' })).toBe(0);
  });
});

it('is for those who operate the service', async () => {
  const refused = app.client(QueryService, { roles: ['auditor'] }).getStatus({});
  expect(await refusalOf(refused)).toMatchObject({ code: 'PermissionDenied', metadata: { permission: 'operations.read' } });
});
