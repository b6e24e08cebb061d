import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../../gen/grpc/health/v1/health_pb.js';
import { type GetStatusResponse, ProcessorKind, QueryService } from '../../../gen/operations/v1/query_service_pb.js';
import { RebuildState } from '../../../gen/operations/v1/rebuild_pb.js';
import { run } from '../../support/command-line.ts';
import { type ScriptedService, startScriptedService } from '../../support/scripted-service.ts';

const MAIN = resolve(import.meta.dirname, '../../../src/main.ts');
type Told = Exclude<
  MessageInitShape<typeof import('../../../gen/operations/v1/query_service_pb.js').GetStatusResponseSchema>,
  GetStatusResponse
>;

const NOW = 1_800_000_000_000;
const ago = (seconds: number) => timestampFromMs(NOW - seconds * 1000);

const TOLD: Told = {
  problems: [
    { subject: 'projection user_statistics', description: 'has parked 3 events: `bicameral dead-letters list` says why' },
  ],
  readAt: ago(0),
  instances: [
    { instanceId: 'a', host: 'one', pid: 11, version: '0.2.0', startedAt: ago(7200), seenAt: ago(0), alive: true, processors: 2 },
    { instanceId: 'b', host: 'two', pid: 22, version: '0.1.0', startedAt: ago(90), seenAt: ago(30), alive: false, processors: 1 },
  ],
  databases: [
    { name: 'primary', up: true },
    { name: 'replica-1', up: true, lagBytes: 2048n, lag: { seconds: 0n, nanos: 250_000_000 } },
  ],
  sequencer: { lastSequence: 1_234_567n, numberedAt: ago(3), waitingEvents: 2n, waiting: { seconds: 1n } },
  processors: [
    {
      name: 'user_statistics',
      kind: ProcessorKind.PROJECTION,
      known: true,
      partitions: 1,
      instanceId: 'a',
      checkpoint: 1_234_560n,
      lagEvents: 7n,
      lag: { nanos: 40_000_000 },
      deadLetters: 3n,
    },
    {
      name: 'sales',
      kind: ProcessorKind.PROJECTION,
      partition: 0,
      known: true,
      partitions: 2,
      instanceId: 'a',
      checkpoint: 5n,
      paused: true,
      lagEvents: 1_234_562n,
      lag: { seconds: 172_800n },
    },
    {
      name: 'sales',
      kind: ProcessorKind.PROJECTION,
      partition: 1,
      known: true,
      partitions: 2,
      instanceId: 'b',
      checkpoint: 1_234_567n,
    },
    {
      name: 'greeter',
      kind: ProcessorKind.REACTOR,
      known: true,
      partitions: 1,
      instanceId: 'a',
      checkpoint: 1_234_567n,
      failingSince: ago(180),
      error: 'x',
    },
  ],
  rebuilds: [
    {
      projection: 'sales',
      state: RebuildState.RUNNING,
      step: 'folding events',
      done: 500_000n,
      total: 1_000_000n,
      perSecond: 50_000,
      timeLeft: { seconds: 10n },
    },
  ],
  timers: { waiting: 1_200n, due: 3n, failed: 1n, late: { seconds: 8n }, nextDueAt: ago(-45) },
  log: {
    unsealedRecords: 12n,
    unsealed: { nanos: 300_000_000 },
    heldUpBy: { pid: 4711, database: 'shop', user: 'clerk', open: { seconds: 75n } },
  },
};

let service: ScriptedService | undefined;
afterEach(async () => {
  await service?.[Symbol.asyncDispose]();
  service = undefined;
});

async function serving(getStatus: (() => Told) | undefined, health = ServingStatus.SERVING): Promise<Record<string, string>> {
  service = await startScriptedService((router) => {
    router.service(Health, {
      list: () => ({ statuses: { '': { status: ServingStatus.SERVING }, 'users.v1.QueryService': { status: health } } }),
    });
    if (getStatus) router.service(QueryService, { getStatus });
  });
  return { ...service.environment };
}

const refusing = (code: Code, message: string) => () => {
  throw new ConnectError(message, code);
};

describe('bicameral status', () => {
  it('is read at a glance, what is wrong first, and exits with 1 then', async () => {
    const { code, stdout, stderr } = await run(['status'], await serving(() => TOLD));
    expect(stderr).toBe('');
    expect(stdout).toBe(
      [
        '! projection user_statistics  has parked 3 events: `bicameral dead-letters list` says why',
        '',
        'PROCESSOR        KIND        STATE              CHECKPOINT  BEHIND            OLDEST  PARKED  INSTANCE',
        'user_statistics  projection  running            1,234,560   7 events          40 ms   3       11 on one',
        'sales 1/2        projection  paused             5           1,234,562 events  2 d     0       11 on one',
        'sales 2/2        projection  free               1,234,567   0 events          0 s     0       22 on two',
        'greeter          reactor     failing for 180 s  1,234,567   0 events          0 s     0       11 on one',
        '',
        'REBUILD  KIND     STATE                    DONE               RATE      LEFT',
        'sales    rebuild  running: folding events  50 % of 1,000,000  50,000/s  10 s',
        '',
        'INSTANCE   VERSION  STARTED      SEEN      PROCESSORS',
        '11 on one  0.2.0    120 min ago  now       2',
        '22 on two  0.1.0    90 s ago     30 s ago  1',
        '',
        'feed      sequencer              last number 1,234,567, given 3 s ago; 2 events without one for up to 1 s',
        'log       commands               12 records without a seal, the oldest of 300 ms ago; process 4711 has had a transaction open for 75 s',
        'timers    commands               1,200 waiting, the next due in 45 s; 3 due, for up to 8 s; 1 failed',
        'database  primary                up',
        'database  replica-1              up, 2 KiB and 250 ms behind',
        'service   server                 serving',
        'service   users.v1.QueryService  serving',
        '',
      ].join('\n'),
    );
    expect(code).toBe(1);
  });

  it('exits with 0 when nothing is wrong, and with 1 when a part does not serve', async () => {
    const fine = await run(['status'], await serving(() => ({ readAt: ago(0) })));
    expect(fine.stdout).toMatch(/^Nothing is wrong\.\n/);
    expect(fine.code).toBe(0);
    await service?.[Symbol.asyncDispose]();
    const env = await serving(() => ({ readAt: ago(0) }), ServingStatus.NOT_SERVING);
    const { code, stdout } = await run(['status'], env);
    expect(stdout).toMatch(/^! service users\.v1\.QueryService {2}is not serving\n/);
    expect(code).toBe(1);
  });

  it.each([
    ['a service that has none of it', undefined, /Processors, instances and the feed are not shown: .+/],
    [
      'a token that may not see it',
      refusing(Code.PermissionDenied, 'operations.read is needed'),
      /not shown: operations\.read is needed/,
    ],
  ])('shows the health alone of %s', async (_, getStatus, words) => {
    const { code, stdout } = await run(['status'], await serving(getStatus));
    expect(stdout).toMatch(/^Nothing is wrong\.\n/);
    expect(stdout).toMatch(words);
    expect(stdout).toMatch(/^service +server +serving$/m);
    expect(code).toBe(0);
  });

  it('shows the health alone to who has no key', async () => {
    const env = { ...(await serving(() => TOLD)), AUTH_SIGNING_KEY_FILE: '/nowhere/key.pem' };
    const { code, stdout } = await run(['status'], env);
    expect(stdout).toMatch(/not shown: .*\/nowhere\/key\.pem/);
    expect(code).toBe(0);
  });

  it('asks a replica for what it knows while the primary is away', async () => {
    let asked = 0;
    const env = await serving(() => {
      asked += 1;
      if (asked === 1) throw new ConnectError('the primary is away', Code.Unavailable);
      return TOLD;
    });
    expect((await run(['status'], env)).stdout).toMatch(/^user_statistics +projection/m);
  });

  it('prints JSON for programs', async () => {
    const { stdout } = await run(['status', '--json'], await serving(() => TOLD));
    expect(JSON.parse(stdout)).toMatchObject({
      services: { server: 'SERVING' },
      problems: [{ subject: 'projection user_statistics' }],
      operations: {
        sequencer: { lastSequence: '1234567' },
        processors: [{ name: 'user_statistics', paused: false }, {}, {}, {}],
      },
    });
  });
});

describe('bicameral status --watch', () => {
  it('prints a line each time where there is no terminal, also of a service that is away meanwhile', async () => {
    let asked = 0;
    const env = await serving(() => {
      asked += 1;
      return asked === 1 ? TOLD : { readAt: ago(0) };
    });
    const child = spawn(process.execPath, [MAIN, 'status', '--watch', '--interval', '1s'], {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    let isGone = false;
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (stdout.includes('nothing is wrong') && !isGone) {
        isGone = true;
        void service?.[Symbol.asyncDispose]().then(() => {
          service = undefined;
        });
      }
      if (stdout.includes('GRPC_ADDRESS')) child.kill('SIGTERM');
    });
    await once(child, 'close');
    const [first, second] = stdout.split('\n');
    expect(first).toMatch(/^\d{4}-\S+Z projection user_statistics has parked 3 events: /);
    expect(second).toMatch(/^\d{4}-\S+Z nothing is wrong$/);
  });
});
