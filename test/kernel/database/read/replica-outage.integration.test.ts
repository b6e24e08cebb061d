import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import type { EmbeddedCluster } from '../../../../src/embedded-postgres/embedded-cluster.ts';
import { startEmbeddedCluster } from '../../../../src/embedded-postgres/start-embedded-cluster.ts';
import { until } from '../../../embedded-postgres/cluster-harness.ts';
import { createTestDatabase } from '../../../support/database.ts';
import { refusalOf } from '../../../support/errors.ts';
import { signUp } from '../../../support/people.ts';
import { processesIn, signalAll } from '../../../support/processes.ts';
import { temporaryDataDir } from '../../../support/temporary-data-dir.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

const stack = new AsyncDisposableStack();
let cluster: EmbeddedCluster;
let app: TestApp;
let userId: string;

beforeAll(async () => {
  const dataDir = stack.use(temporaryDataDir());
  cluster = await startEmbeddedCluster({ dataDir: dataDir.path, settings: { fsync: 'off', full_page_writes: 'off' } });
  stack.defer(() => cluster.stop());
  // Each query reads: what is answered from memory tells nothing of the databases.
  app = await startTestApp({ on: await createTestDatabase(cluster.connections), queryCacheBytes: 0 });
  stack.defer(() => app.stop());
  userId = (await signUp(app)).id;
});
afterAll(async () => {
  signalAll(replicaProcesses(), 'SIGCONT');
  await stack.disposeAsync();
});

const replicaProcesses = (): number[] => processesIn(cluster.replica?.folder ?? 'no replica');

const CALLERS = 12;

/** Queries from several callers at once, without a pause, until it is told to stop. */
function startQueries() {
  const queries = app.client(QueryService, { roles: ['auditor'] });
  const failures: unknown[] = [];
  const servedBy: string[] = [];
  /** Queries that have ended, by caller. */
  const answered = new Array<number>(CALLERS).fill(0);
  let stopped = false;
  const onHeader = (header: Headers): void => {
    servedBy.push(header.get('cqrs-served-by') ?? '');
  };
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    while (!stopped) {
      const query = caller % 3 === 0 ? queries.listUsers({}, { onHeader }) : queries.getUser({ userId }, { onHeader });
      await query.catch((error: unknown) => failures.push(error));
      answered[caller] = (answered[caller] ?? 0) + 1;
      await sleep(2);
    }
  });
  const stop = async (): Promise<void> => {
    stopped = true;
    await Promise.all(callers);
  };
  return {
    [Symbol.asyncDispose]: stop,
    hasBeenServedFrom: (name: string) => servedBy.includes(name),
    /** Resolves once the newest answers all come from there. */
    servedFrom: (name: string) => {
      servedBy.length = 0;
      return until(`${name} serves`, () => servedBy.length > 30 && servedBy.slice(-20).every((from) => from === name));
    },
    /** Resolves once each caller has had another two answers. */
    allAnswered: () => {
      const before = [...answered];
      return until('all are answered', () => answered.every((count, caller) => count > (before[caller] ?? 0) + 1));
    },
    /** Ends the queries; answers what failed. */
    end: async () => {
      await stop();
      return { failures };
    },
  };
}

describe('a replica that goes away', () => {
  // Comes first: afterwards there are idle connections, and none need be opened.
  it('costs no query when it takes no new connections', async () => {
    const queries = app.client(QueryService, { roles: ['auditor'] });
    const [postmaster = 0] = replicaProcesses();
    signalAll([postmaster], 'SIGSTOP');
    const answers = await Promise.allSettled(Array.from({ length: 40 }, () => queries.getUser({ userId })));
    signalAll([postmaster], 'SIGCONT');
    expect(answers.filter(({ status }) => status === 'rejected')).toEqual([]);
  });

  it('costs no query when it is stopped, and serves again when it is back', async () => {
    await using load = startQueries();
    await load.servedFrom('replica-1');
    await cluster.replica?.stop();
    await load.servedFrom('primary');
    await cluster.replica?.start();
    await load.servedFrom('replica-1');
    expect((await load.end()).failures).toEqual([]);
  });

  it('costs no query when it is killed, and serves again when it is back', async () => {
    await using load = startQueries();
    await load.servedFrom('replica-1');
    signalAll(replicaProcesses(), 'SIGKILL');
    await load.servedFrom('primary');
    await load.servedFrom('replica-1');
    expect((await load.end()).failures).toEqual([]);
  });

  it('costs no query when it hangs, for as long as it does', async () => {
    await using load = startQueries();
    await load.servedFrom('replica-1');
    signalAll(replicaProcesses(), 'SIGSTOP');
    await load.servedFrom('primary');
    // All callers are answered while it still hangs, those too whose question it had.
    await load.allAnswered();
    signalAll(replicaProcesses(), 'SIGCONT');
    await load.servedFrom('replica-1');
    expect((await load.end()).failures).toEqual([]);
  });

  it('does not keep the program from stopping while it hangs', async () => {
    const beside = await startTestApp({ beside: app });
    const queries = beside.client(QueryService, { roles: ['auditor'] });
    await queries.getUser({ userId });
    signalAll(replicaProcesses(), 'SIGSTOP');
    expect(await refusalOf(queries.getUser({ userId }, { timeoutMs: 100 }))).toMatchObject({ code: 'DeadlineExceeded' });
    // It stops while the replica still hangs.
    await beside.stop();
    signalAll(replicaProcesses(), 'SIGCONT');
  });

  it('costs no query when its data are damaged, and is left alone the longer, the more often it fails', async () => {
    const { database } = app;
    const [table] = await database.query<{ path: string }>(`select pg_relation_filepath('read.user_directory') as path`);
    const file = join(cluster.replica?.folder ?? '', table?.path ?? '');
    // What the replica has on its disk is what it need not replay; stopped, so that nothing is left in shared memory.
    await database.query('checkpoint');
    const [written] = await database.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    await until('the replica has the checkpoint', async () => {
      const [standby] = await database.query<{ at: boolean }>('select replay_lsn >= $1::pg_lsn as at from pg_stat_replication', [
        written?.lsn,
      ]);
      return standby?.at === true;
    });
    await cluster.replica?.stop();
    const whole = await readFile(file);
    await writeFile(file, Buffer.alloc(whole.length, 'damaged '));
    await cluster.replica?.start();
    await using load = startQueries();
    await until(
      'the replica was tried and left',
      () => /database is unavailable[\s\S]*$/.test(app.log()) && /XX001/.test(app.log()),
      20_000,
    );
    await load.servedFrom('primary');
    expect((await load.end()).failures).toEqual([]);

    await cluster.replica?.stop();
    await writeFile(file, whole);
    await cluster.replica?.start();
    await using after = startQueries();
    await until('the replica serves', () => after.hasBeenServedFrom('replica-1'), 60_000);
    expect((await after.end()).failures).toEqual([]);
  });
});
