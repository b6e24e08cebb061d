import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimer } from '../../modules/operations/set-timers.ts';
import { run } from '../../support/command-line.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

/** Only rows: no module declares them, so no instance works on them. */
const PROJECTION = 'kept_by_nobody';
const REACTOR = 'sent_by_nobody';
const AGGREGATE = randomUUID();

let app: TestApp;
let env: Record<string, string>;
beforeAll(async () => {
  app = await startTestApp();
  env = {
    GRPC_ADDRESS: `127.0.0.1:${app.app.grpcPort}`,
    HTTP_ADDRESS: `127.0.0.1:${app.app.httpPort}`,
    AUTH_SIGNING_KEY_FILE: app.keyFile,
  };
});
afterAll(() => app.stop());
beforeEach(async () => {
  await app.database.query('delete from cqrs.dead_letter');
  await app.database.query('delete from cqrs.processor where name = any ($1)', [[PROJECTION, REACTOR]]);
  await app.database.query(`insert into cqrs.processor (name, kind) values ($1, 'projection'), ($2, 'reactor')`, [
    PROJECTION,
    REACTOR,
  ]);
});

async function park(): Promise<void> {
  await app.database.query(
    `insert into cqrs.dead_letter (processor, partition, sequence, aggregate_id, type, attempts, error, parked_at)
     values ($1, 0, 1001, $2, 'users.v1.UserCreated', 3, 'SQLSTATE 22012', '2026-12-01 10:30:00Z'),
       ($1, 0, 1002, $2, 'users.v1.UserNameChanged', 0, null, '2026-12-01 10:30:01Z')`,
    [PROJECTION, AGGREGATE],
  );
}

describe('bicameral projection and bicameral reactor', () => {
  it('list what there is', async () => {
    const { code, stdout, stderr } = await run(['projection', 'list'], env);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines[0]).toEqual(['PROJECTION', 'MODULE', 'KIND', 'STATE', 'TABLES', 'NEWEST REBUILD']);
    expect(lines.find(([name]) => name === 'ended_session')).toEqual([
      'ended_session',
      'users',
      'inline',
      'with each command',
      expect.anything(),
      '-',
    ]);
    const json = (await run(['projection', 'list', '--json'], env)).stdout.trim().split('\n');
    expect(json.map((line) => JSON.parse(line).name)).toContain('ended_session');
  });

  it.each([
    ['projection', PROJECTION],
    ['reactor', REACTOR],
  ])('pause and resume a %s', async (kind, name) => {
    expect((await run([kind, 'pause', name], env)).stdout).toBe(`${name} is paused.\n`);
    expect((await run([kind, 'pause', name], env)).stdout).toBe(`${name} was paused before.\n`);
    expect((await run([kind, 'resume', name], env)).stdout).toBe(`${name} goes on.\n`);
    const { stdout } = await run([kind, 'resume', name, '--json'], env);
    expect(JSON.parse(stdout)).toEqual({ name, paused: false, changed: false });
  });

  it('say what is wrong', async () => {
    const { code, stderr } = await run(['projection', 'pause', 'unknown'], env);
    expect(stderr).toMatch(/there is no such projection/);
    expect(code).toBe(1);
    expect((await run(['projection', 'rebuild', 'ended_session', '--no-wait'], env)).stderr).toMatch(/cannot be made again/);
    expect((await run(['projection', 'cancel', 'ended_session'], env)).stderr).toMatch(/neither being rebuilt nor verified/);
  });
});

describe('bicameral dead-letters', () => {
  it('lists them, what waits behind them, and what will be tried again', async () => {
    await park();
    const { stdout } = await run(['dead-letters', 'list'], env);
    expect(stdout).toBe(
      [
        `PROCESSOR       SEQUENCE  EVENT                     AGGREGATE                             PARKED                    TRIED  STATE                 ERROR`,
        `kept_by_nobody  1001      users.v1.UserCreated      ${AGGREGATE}  2026-12-01T10:30:00.000Z  3      parked                SQLSTATE 22012`,
        `kept_by_nobody  1002      users.v1.UserNameChanged  ${AGGREGATE}  2026-12-01T10:30:01.000Z  0      waits behind another  -`,
        '',
      ].join('\n'),
    );
    expect((await run(['dead-letters', 'list', REACTOR, '--json'], env)).stdout).toBe('');
    const json = (await run(['dead-letters', 'list', PROJECTION, '--json', '--limit', '1'], env)).stdout.trim().split('\n');
    expect(json.map((line) => JSON.parse(line).sequence)).toEqual(['1001']);
  });

  it('retries all, those of an aggregate, or one, and discards one', async () => {
    await park();
    const letters = async (...command: string[]) => (await run(['dead-letters', ...command], env)).stdout;
    expect(await letters('retry', PROJECTION, '1001')).toBe('1 event will be tried again.\n');
    expect(await letters('retry', PROJECTION, '--aggregate', AGGREGATE)).toBe('2 events will be tried again.\n');
    expect(await letters('retry', REACTOR)).toBe(`${REACTOR} has parked nothing.\n`);
    expect(JSON.parse(await letters('retry', PROJECTION, '--json'))).toEqual({ processor: PROJECTION, deadLetters: 2 });
    expect(await letters('list')).toMatch(/1001 .*is tried again/);
    expect(await letters('discard', PROJECTION, '1001')).toBe(`Event 1001 is discarded: ${PROJECTION} will not handle it.\n`);
    expect(await letters('list')).not.toMatch(/1001/);
  });

  it('says what is wrong', async () => {
    const refused = async (...command: string[]) => {
      const { code, stderr } = await run(['dead-letters', ...command], env);
      expect(code).toBe(1);
      return stderr;
    };
    expect(await refused('discard', PROJECTION, '7')).toMatch(/parked no such event/);
    expect(await refused('retry', 'unknown')).toMatch(/no projection or reactor of this name/);
    expect(await refused('retry', PROJECTION, 'x')).toMatch(/sequence cannot be "x"/);
    expect(await refused('retry', PROJECTION, '7', '--aggregate', AGGREGATE)).toMatch(/--aggregate/);
  });
});

describe('bicameral timers', () => {
  beforeEach(() => app.database.query('delete from cqrs.timer'));

  const timers = async (...command: string[]) => (await run(['timers', ...command], env)).stdout;

  it('lists them with what became of each', async () => {
    const failed = await setTimer(app, {
      dueIn: '-1 hour',
      state: 'failed',
      attempts: 3,
      refusals: 3,
      error: 'FAILED_PRECONDITION X',
    });
    const waiting = await setTimer(app, { process: 'another' });
    const lines = (await timers('list'))
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    const due = expect.stringMatching(/^\d{4}-.*Z$/);
    const method = 'orders.v1.CommandService/CancelOrder';
    expect(lines).toEqual([
      ['TIMER', 'PROCESS', 'OF', 'KEY', 'COMMAND', 'DUE', 'STATE', 'TRIED', 'ERROR'],
      [failed, 'sent_by_nobody', failed, 'unpaid', method, due, 'failed', '3', 'FAILED_PRECONDITION X'],
      [waiting, 'another', waiting, 'unpaid', method, due, 'waiting', '0', '-'],
    ]);
    const json = (await timers('list', 'another', '--json')).trim().split('\n');
    expect(json.map((line) => JSON.parse(line))).toMatchObject([{ timerId: waiting, state: 'TIMER_STATE_WAITING' }]);
    expect((await timers('list', '--state', 'failed', '--json')).trim().split('\n')).toHaveLength(1);
  });

  it('has what failed sent again, and cancels one', async () => {
    const failed = await setTimer(app, { dueIn: '-1 hour', state: 'failed', attempts: 3, refusals: 3, error: 'X' });
    expect(await timers('retry', '--process', 'another')).toBe('No timer has failed.\n');
    expect(await timers('retry', failed)).toBe('1 command will be sent again.\n');
    expect(JSON.parse(await timers('retry', '--json'))).toEqual({ timers: 0 });
    expect(await timers('cancel', failed)).toBe(`Timer ${failed} is cancelled: its command will not be sent.\n`);
    expect(await timers('list', '--json')).toBe('');
  });

  it('says what is wrong', async () => {
    const refused = async (...command: string[]) => {
      const { code, stderr } = await run(['timers', ...command], env);
      expect(code).toBe(1);
      return stderr;
    };
    expect(await refused('cancel', AGGREGATE)).toMatch(/there is no such timer/);
    expect(await refused('retry', await setTimer(app))).toMatch(/the timer has not failed/);
    expect(await refused('retry', AGGREGATE, '--process', 'another')).toMatch(/give it or the id of a timer/);
    expect(await refused('list', '--state', 'late')).toMatch(/give one of waiting, due, failed/);
  });
});
