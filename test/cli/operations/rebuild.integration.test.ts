import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ErrorInfoSchema } from '../../../gen/google/rpc/error_details_pb.js';
import { CommandService } from '../../../gen/operations/v1/command_service_pb.js';
import { QueryService } from '../../../gen/operations/v1/query_service_pb.js';
import { DifferenceKind, type Rebuild, RebuildSchema, RebuildState } from '../../../gen/operations/v1/rebuild_pb.js';
import { run } from '../../support/command-line.ts';
import { type ScriptedService, startScriptedService } from '../../support/scripted-service.ts';

const MAIN = resolve(import.meta.dirname, '../../../src/main.ts');
const ID = '019ab3a0-0000-7000-8000-00000000000b';

type Fields = Exclude<MessageInitShape<typeof RebuildSchema>, Rebuild>;

const rebuildOf = (fields: Fields): Rebuild =>
  create(RebuildSchema, {
    rebuildId: ID,
    projection: 'user_statistics',
    state: RebuildState.RUNNING,
    startedAt: timestampFromMs(1_000_000),
    total: 20_000n,
    ...fields,
  });

const DONE = rebuildOf({ state: RebuildState.DONE, done: 20_000n, finishedAt: timestampFromMs(1_002_500) });

let service: ScriptedService | undefined;
afterEach(async () => {
  await service?.[Symbol.asyncDispose]();
  service = undefined;
});

/** Looks at it are answered with these, the last again and again. */
async function serving(looks: readonly (Rebuild | ConnectError)[], begin?: () => never): Promise<Record<string, string>> {
  let look = 0;
  service = await startScriptedService((router: ConnectRouter) => {
    router.service(CommandService, {
      rebuildProjection: ({ projection, verify }) => begin?.() ?? { rebuild: rebuildOf({ projection, verify }) },
      cancelRebuild: () => ({ rebuildId: ID }),
    });
    router.service(QueryService, {
      getRebuild: () => {
        const answer = looks[Math.min(look, looks.length - 1)];
        look += 1;
        if (!answer || answer instanceof ConnectError) throw answer ?? new Error('no answer');
        return { rebuild: answer };
      },
    });
  });
  return { ...service.environment };
}

const rebuild = (env: Record<string, string>, ...options: string[]) =>
  run(['projection', 'rebuild', 'user_statistics', ...options], env);

describe('bicameral projection rebuild', () => {
  it('waits with progress, rate and time left, and tells what it came to', async () => {
    const half = rebuildOf({
      done: 10_000n,
      step: 'folding events',
      perSecond: 51_234.5,
      timeLeft: { seconds: 12n },
    });
    const { code, stdout, stderr } = await rebuild(await serving([rebuildOf({ total: 0n }), half, DONE]));
    expect(stderr).toBe('…  50 %  10,000 of 20,000 done, folding events, 51,235/s, 12 s left\n');
    expect(stdout).toBe('user_statistics is rebuilt: 20,000 done in 2.5 s.\n');
    expect(code).toBe(0);
  });

  it('waits on while the service is away', async () => {
    const away = new ConnectError('shutting down', Code.Unavailable);
    const { code, stdout } = await rebuild(await serving([away, DONE]));
    expect(stdout).toMatch(/is rebuilt/);
    expect(code).toBe(0);
  });

  it('watches one that is under way already', async () => {
    const underWay = new ConnectError('under way', Code.FailedPrecondition, undefined, [
      { desc: ErrorInfoSchema, value: { reason: 'REBUILD_UNDER_WAY', domain: 'operations.v1', metadata: { rebuild_id: ID } } },
    ]);
    const env = await serving([DONE], () => {
      throw underWay;
    });
    const { code, stdout, stderr } = await rebuild(env);
    expect(stderr).toMatch(/under way already/);
    expect(stdout).toMatch(/is rebuilt/);
    expect(code).toBe(0);
    expect((await rebuild(env, '--no-wait')).code).toBe(1);
  });

  it('lists what a verification found and exits with 1', async () => {
    const found = rebuildOf({
      verify: true,
      state: RebuildState.DONE,
      done: 20_000n,
      differenceCount: 2n,
      differences: [
        {
          table: 'read.user_statistics',
          key: 'active',
          kind: DifferenceKind.CHANGED,
          columns: ['users'],
        },
      ],
    });
    const { code, stdout } = await rebuild(await serving([found]), '--verify');
    expect(stdout).toBe(
      [
        'DIFFERENCE  TABLE                 KEY     COLUMNS',
        'changed     read.user_statistics  active  users',
        '',
        'user_statistics has 2 differences: `bicameral projection rebuild user_statistics` makes its tables again.',
        '',
      ].join('\n'),
    );
    expect(code).toBe(1);
  });

  it.each<[string, Fields, string]>([
    ['failed', { state: RebuildState.FAILED, error: 'out of room' }, 'The rebuild of user_statistics failed: out of room\n'],
    ['was canceled', { state: RebuildState.CANCELLED }, 'The rebuild of user_statistics was canceled.\n'],
  ])('exits with 1 when it %s', async (_, ended, told) => {
    const { code, stdout } = await rebuild(await serving([rebuildOf(ended)]));
    expect(stdout).toBe(told);
    expect(code).toBe(1);
  });

  it('prints JSON for programs', async () => {
    const { stdout } = await rebuild(await serving([DONE]), '--json');
    expect(JSON.parse(stdout)).toMatchObject({ rebuildId: ID, state: 'REBUILD_STATE_DONE', done: '20000' });
    expect(JSON.parse((await rebuild({ ...service?.environment }, '--json', '--no-wait')).stdout)).toEqual({ rebuildId: ID });
  });

  it('is left by Ctrl-C, and goes on', async () => {
    const env = await serving([rebuildOf({ done: 5_000n })]);
    const child = spawn(process.execPath, [MAIN, 'projection', 'rebuild', 'user_statistics'], {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    let isInterrupted = false;
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      if (stderr.includes('25 %') && !isInterrupted) isInterrupted = child.kill('SIGINT');
    });
    const [code] = await once(child, 'close');
    expect(stderr).toContain('goes on without being watched; `bicameral projection cancel user_statistics` ends it');
    expect(code).toBe(130);
  });
});

it('bicameral projection cancel ends it', async () => {
  const env = await serving([DONE]);
  const { code, stdout } = await run(['projection', 'cancel', 'user_statistics'], env);
  expect(stdout).toBe(`${ID} is canceled: the tables of user_statistics stay as they are.\n`);
  expect(code).toBe(0);
});
