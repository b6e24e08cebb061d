import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../gen/operations/v1/command_service_pb.js';
import { RebuildState } from '../../../gen/operations/v1/rebuild_pb.js';
import { refusalOf } from '../../support/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { commandLog } from '../../support/logged-commands.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { setTimer } from './set-timers.ts';

/** Only rows: no module declares them, so no instance works on them. */
const PROJECTION = 'kept_by_nobody';
const REACTOR = 'sent_by_nobody';
const AGGREGATE = randomUUID();

const operator = { roles: ['operator'] };
let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());
beforeEach(async () => {
  await app.database.query('delete from cqrs.dead_letter');
  await app.database.query('delete from cqrs.rebuild');
  await app.database.query('delete from cqrs.processor where name = any ($1)', [[PROJECTION, REACTOR]]);
  await app.database.query(
    `insert into cqrs.processor (name, kind, partition, partitions)
     values ($1, 'projection', 0, 2), ($1, 'projection', 1, 2), ($2, 'reactor', 0, 1)`,
    [PROJECTION, REACTOR],
  );
});

const commands = () => app.client(CommandService, operator);

async function pausedOf(name: string): Promise<boolean[]> {
  const rows = await app.database.query<{ paused: boolean }>(
    'select paused from cqrs.processor where name = $1 order by partition',
    [name],
  );
  return rows.map(({ paused }) => paused);
}

describe('PauseProjection and ResumeProjection', () => {
  it('stop all partitions and let them go on, and say whether that changed anything', async () => {
    expect(await commands().pauseProjection({ projection: PROJECTION })).toMatchObject({ changed: true });
    expect(await pausedOf(PROJECTION)).toEqual([true, true]);
    expect(await commands().pauseProjection({ projection: PROJECTION })).toMatchObject({ changed: false });
    expect(await commands().resumeProjection({ projection: PROJECTION })).toMatchObject({ changed: true });
    expect(await pausedOf(PROJECTION)).toEqual([false, false]);
    expect(await commands().resumeProjection({ projection: PROJECTION })).toMatchObject({ changed: false });
  });

  it('are on record with who did it, and store no event', async () => {
    await commands().pauseProjection({ projection: PROJECTION });
    const records = await commandLog(app, 'method = $1', ['operations.v1.CommandService/PauseProjection']);
    expect(records.at(-1)).toMatchObject({
      principal: 'tester',
      roles: ['operator'],
      request: { projection: PROJECTION },
      outcome: 'succeeded',
      event_ids: [],
    });
  });

  it('change nothing in a dry run', async () => {
    const headers = { 'cqrs-dry-run': 'true' };
    expect(await commands().pauseProjection({ projection: PROJECTION }, { headers })).toMatchObject({ changed: true });
    expect(await pausedOf(PROJECTION)).toEqual([false, false]);
  });

  it('answer a key again without doing anything again', async () => {
    const headers = { 'idempotency-key': 'pause-once' };
    await commands().pauseProjection({ projection: PROJECTION }, { headers });
    await commands().resumeProjection({ projection: PROJECTION });
    expect(await commands().pauseProjection({ projection: PROJECTION }, { headers })).toMatchObject({ changed: true });
    expect(await pausedOf(PROJECTION)).toEqual([false, false]);
  });

  it('refuse what is no projection of the feed', async () => {
    const unknown = { code: 'NotFound', reason: 'PROJECTION_NOT_FOUND' };
    expect(await refusalOf(commands().pauseProjection({ projection: 'unknown' }))).toMatchObject(unknown);
    expect(await refusalOf(commands().resumeProjection({ projection: REACTOR }))).toMatchObject(unknown);
    expect(await refusalOf(commands().pauseProjection({ projection: 'user_directory' }))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'PROJECTION_INLINE',
    });
    expect(await refusalOf(commands().pauseProjection({ projection: 'No name' }))).toMatchObject({ reason: 'INVALID_REQUEST' });
  });
});

describe('PauseReactor and ResumeReactor', () => {
  it('stop a reactor and let it go on', async () => {
    expect(await commands().pauseReactor({ reactor: REACTOR })).toMatchObject({ changed: true });
    expect(await pausedOf(REACTOR)).toEqual([true]);
    expect(await commands().resumeReactor({ reactor: REACTOR })).toMatchObject({ changed: true });
    expect(await pausedOf(REACTOR)).toEqual([false]);
  });

  it('refuse what is no reactor', async () => {
    const unknown = { code: 'NotFound', reason: 'REACTOR_NOT_FOUND' };
    expect(await refusalOf(commands().pauseReactor({ reactor: PROJECTION }))).toMatchObject(unknown);
    expect(await refusalOf(commands().resumeReactor({ reactor: 'unknown' }))).toMatchObject(unknown);
  });
});

describe('RetryDeadLetter and DiscardDeadLetter', () => {
  const OTHER = randomUUID();
  beforeEach(() =>
    app.database.query(
      `insert into cqrs.dead_letter (processor, partition, sequence, aggregate_id, type, attempts, error)
       values ($1, 0, 1001, $2, 'users.v1.UserCreated', 3, '22012'), ($1, 0, 1002, $2, 'users.v1.UserNameChanged', 0, null),
         ($1, 0, 1003, $3, 'users.v1.UserCreated', 3, '22012')`,
      [PROJECTION, AGGREGATE, OTHER],
    ),
  );

  const retried = async () =>
    (
      await app.database.query<{ sequence: string }>(
        'select sequence from cqrs.dead_letter where processor = $1 and retry order by sequence',
        [PROJECTION],
      )
    ).map(({ sequence }) => Number(sequence));

  it('have one, those of an aggregate, or all tried again', async () => {
    const one = { case: 'sequence', value: 1001n } as const;
    expect(await commands().retryDeadLetter({ processor: PROJECTION, deadLetters: one })).toMatchObject({ deadLetters: 1n });
    expect(await retried()).toEqual([1001]);
    const some = { case: 'aggregateId', value: AGGREGATE } as const;
    expect(await commands().retryDeadLetter({ processor: PROJECTION, deadLetters: some })).toMatchObject({ deadLetters: 2n });
    expect(await retried()).toEqual([1001, 1002]);
    expect(await commands().retryDeadLetter({ processor: PROJECTION })).toMatchObject({ deadLetters: 3n });
    expect(await retried()).toEqual([1001, 1002, 1003]);
    expect(await commands().retryDeadLetter({ processor: REACTOR })).toMatchObject({ deadLetters: 0n });
  });

  it('give one up', async () => {
    await commands().discardDeadLetter({ processor: PROJECTION, sequence: 1001n });
    await commands().retryDeadLetter({ processor: PROJECTION });
    expect(await retried()).toEqual([1002, 1003]);
  });

  it('refuse what is not parked', async () => {
    const missing = { code: 'NotFound', reason: 'DEAD_LETTER_NOT_FOUND' };
    const absent = { case: 'sequence', value: 5n } as const;
    expect(await refusalOf(commands().retryDeadLetter({ processor: PROJECTION, deadLetters: absent }))).toMatchObject(missing);
    const nobody = { case: 'aggregateId', value: randomUUID() } as const;
    expect(await refusalOf(commands().retryDeadLetter({ processor: PROJECTION, deadLetters: nobody }))).toMatchObject(missing);
    expect(await refusalOf(commands().discardDeadLetter({ processor: PROJECTION, sequence: 5n }))).toMatchObject(missing);
    expect(await refusalOf(commands().discardDeadLetter({ processor: REACTOR, sequence: 1001n }))).toMatchObject(missing);
    const unknown = { code: 'NotFound', reason: 'PROCESSOR_NOT_FOUND' };
    expect(await refusalOf(commands().retryDeadLetter({ processor: 'unknown' }))).toMatchObject(unknown);
    expect(await refusalOf(commands().discardDeadLetter({ processor: 'unknown', sequence: 1001n }))).toMatchObject(unknown);
  });
});

describe('RetryTimer and CancelTimer', () => {
  const OTHER = 'sent_by_others';
  beforeEach(() => app.database.query('delete from cqrs.timer'));

  const failed = (process?: string): Promise<string> =>
    setTimer(app, { ...(process && { process }), dueIn: '-1 hour', state: 'failed', attempts: 5, refusals: 3, error: 'refused' });
  const waiting = async (): Promise<string[]> =>
    (await app.database.query<{ id: string }>(`select id from cqrs.timer where state = 'waiting' order by id`)).map(
      ({ id }) => id,
    );

  it('have one, those of a process manager, or all that failed sent again', async () => {
    const [one, two, other] = [await failed(), await failed(), await failed(OTHER)];
    expect(await commands().retryTimer({ timers: { case: 'timerId', value: one } })).toMatchObject({ timers: 1n });
    expect(await waiting()).toEqual([one]);
    expect(await commands().retryTimer({ timers: { case: 'process', value: OTHER } })).toMatchObject({ timers: 1n });
    expect(await waiting()).toEqual([one, other].toSorted());
    expect(await commands().retryTimer({})).toMatchObject({ timers: 1n });
    expect(await waiting()).toEqual([one, two, other].toSorted());
    expect(await commands().retryTimer({})).toMatchObject({ timers: 0n });
    // As many tries as at first, and at once.
    const rows = await app.database.query('select distinct refusals, retry_at from cqrs.timer');
    expect(rows).toEqual([{ refusals: 0, retry_at: null }]);
  });

  it('give one up, whatever its state', async () => {
    for (const id of [await setTimer(app), await failed()]) await commands().cancelTimer({ timerId: id });
    expect(await app.database.query('select from cqrs.timer')).toEqual([]);
  });

  it('change nothing in a dry run', async () => {
    const id = await failed();
    const headers = { 'cqrs-dry-run': 'true' };
    expect(await commands().retryTimer({}, { headers })).toMatchObject({ timers: 1n });
    await commands().cancelTimer({ timerId: id }, { headers });
    expect(await app.database.query('select state from cqrs.timer')).toEqual([{ state: 'failed' }]);
  });

  it('refuse one that is not there, or that needs no retry', async () => {
    const missing = { code: 'NotFound', reason: 'TIMER_NOT_FOUND' };
    expect(await refusalOf(commands().cancelTimer({ timerId: randomUUID() }))).toMatchObject(missing);
    const nobody = { case: 'timerId', value: randomUUID() } as const;
    expect(await refusalOf(commands().retryTimer({ timers: nobody }))).toMatchObject(missing);
    const waits = { case: 'timerId', value: await setTimer(app) } as const;
    expect(await refusalOf(commands().retryTimer({ timers: waits }))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'TIMER_NOT_FAILED',
    });
  });
});

describe('RebuildProjection and CancelRebuild', () => {
  it('refuse a projection that is unknown, or whose tables cannot be made again', async () => {
    expect(await refusalOf(commands().rebuildProjection({ projection: 'unknown' }))).toMatchObject({
      code: 'NotFound',
      reason: 'PROJECTION_NOT_FOUND',
    });
    expect(await refusalOf(commands().rebuildProjection({ projection: 'ended_session' }))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'PROJECTION_NOT_REBUILDABLE',
      metadata: { projection: 'ended_session' },
    });
    expect(await refusalOf(commands().cancelRebuild({ projection: 'unknown' }))).toMatchObject({
      reason: 'PROJECTION_NOT_FOUND',
    });
    expect(await refusalOf(commands().cancelRebuild({ projection: 'ended_session' }))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'REBUILD_NOT_RUNNING',
    });
  });

  it('have some instance make the tables again, or compare them', async () => {
    const { rebuild } = await commands().rebuildProjection({ projection: 'user_directory', verify: true });
    expect(rebuild).toMatchObject({ projection: 'user_directory', verify: true, state: RebuildState.RUNNING });
    await eventually(async () => {
      const rows = await app.database.query('select state, verify from cqrs.rebuild where id = $1', [rebuild?.rebuildId]);
      expect(rows).toEqual([{ state: 'done', verify: true }]);
    });
  });

  it('leave nothing behind after a dry run', async () => {
    const headers = { 'cqrs-dry-run': 'true' };
    expect((await commands().rebuildProjection({ projection: 'user_directory' }, { headers })).rebuild).toBeDefined();
    expect(await app.database.query('select from cqrs.rebuild')).toEqual([]);
  });

  it('refuse a second run of a projection, and name the first', async () => {
    const [id, owner] = [randomUUID(), randomUUID()];
    // Of an instance that seems to live, so that no other takes the run from it.
    await app.database.query(
      `insert into cqrs.instance (id, host, pid, version, started_at, seen_at) values ($1, 'elsewhere', 1, '', now(), now() + interval '1 hour')`,
      [owner],
    );
    await app.database.query(
      `insert into cqrs.rebuild (id, projection, verify, state, owner, started_at, updated_at)
       values ($1, 'user_directory', false, 'running', $2, now(), now() + interval '1 hour')`,
      [id, owner],
    );
    expect(await refusalOf(commands().rebuildProjection({ projection: 'user_directory' }))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'REBUILD_UNDER_WAY',
      metadata: { rebuild_id: id },
    });
    await app.database.query('delete from cqrs.instance where id = $1', [owner]);
  });

  it('cancel what is under way', async () => {
    const id = randomUUID();
    await app.database.query(
      `insert into cqrs.rebuild (id, projection, verify, state, started_at, updated_at) values ($1, $2, false, 'running', now(), now())`,
      [id, PROJECTION],
    );
    expect(await commands().cancelRebuild({ projection: PROJECTION })).toMatchObject({ rebuildId: id });
    const [row] = await app.database.query('select state, finished_at from cqrs.rebuild where id = $1', [id]);
    expect(row).toMatchObject({ state: 'cancelled', finished_at: expect.any(Date) });
  });
});

describe('permissions', () => {
  it.each([[['auditor']], [[]]])('keep %j from the commands', async (roles) => {
    const refused = app.client(CommandService, { roles }).pauseProjection({ projection: PROJECTION });
    expect(await refusalOf(refused)).toMatchObject({ code: 'PermissionDenied', metadata: { permission: 'operations.write' } });
  });
});
