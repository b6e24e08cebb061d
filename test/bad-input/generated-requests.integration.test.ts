import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CommandService as AuditCommandService } from '../../gen/audit/v1/command_service_pb.js';
import { QueryService as AuditQueryService } from '../../gen/audit/v1/query_service_pb.js';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import { logIn, signUp } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';
import { type Cast, newCast } from './cast.ts';
import { http1Line } from './raw-requests.ts';
import { inProcess, overConnect, overGrpc, type WayIn } from './ways-in.ts';

/** A stream ends when it wants to; what it is asked goes the same way. */
const METHODS = [CommandService, QueryService, AuditCommandService, AuditQueryService]
  .flatMap(({ methods }) => [...methods])
  .filter(({ methodKind }) => methodKind === 'unary')
  .map((method) => ({ name: method.name, method }));
const WAYS = ['in process', 'over gRPC', 'over Connect'] as const;
/** Calls at once. */
const CROWD = 20;
const CROWDS = 30;

let app: TestApp;
let ways: Readonly<Record<(typeof WAYS)[number], WayIn>>;
/** How often each code was answered; `OK` with them. */
const endings = new Map<string, number>();
/** What would have ended the program. */
const crashes: unknown[] = [];
const onCrash = (error: unknown): number => crashes.push(error);

beforeAll(async () => {
  process.on('uncaughtException', onCrash).on('unhandledRejection', onCrash);
  app = await startTestApp({
    limits: {
      rates: new Map([
        ['sign-up', 'off'],
        ['change-email', 'off'],
      ]),
    },
  });
  ways = {
    'in process': inProcess(app.app),
    'over gRPC': overGrpc(app.app),
    'over Connect': overConnect(http1Line(app.app.httpPort, { connections: CROWD })),
  };
});
afterAll(async () => {
  for (const way of Object.values(ways)) way.close();
  await app.stop();
  process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash);
});

describe.each(METHODS)('$name', ({ method }) => {
  let cast: Cast;
  beforeAll(async () => {
    cast = await newCast(app);
  });

  it.each(WAYS)('%s is answered or refused as planned, whatever is sent', async (name) => {
    const crowds = fc.array(ways[name].attempts(method, cast), { minLength: 1, maxLength: CROWD, size: 'max' });
    const property = fc.asyncProperty(crowds, async (attempts) => {
      await Promise.all(attempts.map((attempt) => attempt.send().then(() => count('OK'), expectPlanned)));
    });
    await fc.assert(property, { numRuns: CROWDS });
  });
});

/** What the caller can be told for a request of theirs while every part of the program works. */
const PLANNED: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.NotFound,
  Code.AlreadyExists,
  Code.FailedPrecondition,
  Code.Aborted,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
]);

function expectPlanned(error: unknown): void {
  if (!(error instanceof ConnectError) || !PLANNED.has(error.code)) throw error;
  const reasons = error.findDetails(ErrorInfoSchema).map(({ reason }) => reason);
  // Guesses at passwords are slowed down, and a message can be larger than its contract lets it be; nothing else has run out.
  if (error.code === Code.ResourceExhausted)
    expect(reasons).toEqual([expect.stringMatching(/^(GUESSES_THROTTLED|MESSAGE_TOO_LARGE)$/)]);
  expect(reasons).toEqual([expect.stringMatching(/^[A-Z][A-Z0-9_]{0,61}[A-Z0-9]$/)]);
  count(Code[error.code] ?? '');
}

function count(ending: string): void {
  endings.set(ending, (endings.get(ending) ?? 0) + 1);
}

describe('after all of them', () => {
  it('ten thousand requests were made, and ended in every way that was planned', () => {
    const planned = ['OK', ...Array.from(PLANNED, (code) => Code[code] ?? '')];
    expect([...endings.keys()].sort()).toEqual(planned.sort());
    expect([...endings.values()].reduce((sum, times) => sum + times)).toBeGreaterThanOrEqual(10_000);
    // Enough came all the way through.
    expect(endings.get('OK')).toBeGreaterThan(300);
  });

  it('nothing was unexpected', () => {
    const lines = app.log().split('\n');
    expect(lines.filter((line) => line.includes('unexpected error'))).toEqual([]);
    expect(crashes).toEqual([]);
  });

  it('the service answers', async () => {
    const user = await signUp(app);
    const token = await logIn(app, user);
    const { user: me } = await app.client(QueryService, { token }).getUser({ userId: user.id });
    expect(me?.email).toBe(user.email);
  });

  it('every user has the one directory row that says the same, and an event for each version', async () => {
    const rows = await app.database.query(`
      select id, u.version, d.version as directory, e.versions
      from users."user" u
      full join read.user_directory d using (id)
      left join (select aggregate_id as id, count(distinct aggregate_version) as versions, max(aggregate_version) as latest
                 from cqrs.event group by 1) e using (id)
      where (u.version, coalesce(u.email, ''), u.name, u.status, u.roles, u.updated_at)
        is distinct from (d.version, d.email, d.name, d.status, d.roles, d.updated_at)
        or e.versions is distinct from u.version or e.latest is distinct from u.version`);
    expect(rows).toEqual([]);
  });

  it('no transaction is left open', async () => {
    const rows = await app.database.query(`
      select pid, state, query from pg_stat_activity
      where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()`);
    expect(rows).toEqual([]);
  });
});
