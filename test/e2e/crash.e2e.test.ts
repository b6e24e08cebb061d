import { realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { callerWith } from '../support/callers.ts';
import { processesIn, signalAll } from '../support/processes.ts';
import { repeated } from '../support/repeated.ts';
import { type Service, startService } from '../support/service.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { AcknowledgedCommands, connectTo, halfWritten } from './acknowledged-commands.ts';

const dataDir = temporaryDataDir();
let service: Service;
let token: string;

beforeAll(async () => {
  service = await startService({ dataDir: dataDir.path });
  token = await service.adminToken();
});
afterAll(async () => {
  await service?.stop();
  signalAll(processesIn(dataDir.path), 'SIGKILL');
  await dataDir[Symbol.asyncDispose]();
});

const postgresFolder = (): string => realpathSync(join(dataDir.path, 'postgres'));

describe('a program that is killed under load', () => {
  it.each([
    { round: 1, killed: 'program' },
    { round: 2, killed: 'program' },
    { round: 3, killed: 'program' },
    { round: 4, killed: 'program' },
    { round: 5, killed: 'program and databases' },
  ])(
    'starts again by itself with every acknowledged command and no half of another, round $round: $killed',
    async ({ killed }) => {
      const commands = new AcknowledgedCommands();
      {
        using caller = callerWith(token, service.grpcAddress);
        await using _ = commands.callWith(caller);
        while (commands.all.length < 50) await sleep(5);
        await sleep(Math.random() * 400);
        const servers = killed === 'program' ? [] : processesIn(postgresFolder());
        signalAll([service.pid, ...servers], 'SIGKILL');
        await service.kill();
      }
      service = await startService({ dataDir: dataDir.path });
      await using database = await connectTo(dataDir.path);
      expect(await commands.missingFrom(database)).toEqual([]);
      expect(await halfWritten(database)).toEqual([]);
    },
  );
});

describe('a primary that is killed under load', () => {
  it.each([
    { killed: 'its postmaster', pid: postmaster },
    // Then PostgreSQL ends all connections and recovers by itself.
    { killed: 'the process of one connection', pid: oneConnection },
  ])(
    'is brought back while the program goes on, killed was $killed; meanwhile calls say that it is unavailable',
    async ({ pid }) => {
      const commands = new AcknowledgedCommands();
      let failures: readonly unknown[];
      let failedQueries: readonly unknown[];
      {
        using caller = callerWith(token, service.grpcAddress);
        await using load = commands.callWith(caller);
        await using queries = repeated(3, () => caller.queries.listUsers({ pageSize: 5 }));
        while (commands.all.length < 50) await sleep(5);
        process.kill(await pid(), 'SIGKILL');
        while (load.failures.length === 0) await sleep(5);
        const before = commands.all.length;
        while (commands.all.length < before + 50) await sleep(20);
        ({ failures } = load);
        failedQueries = queries.failures;
      }
      expect([...new Set(failures.map(outcome))]).toEqual(['Unavailable, try again later']);
      expect(failedQueries.map(outcome)).toEqual([]);
      await using database = await connectTo(dataDir.path);
      expect(await commands.missingFrom(database)).toEqual([]);
      expect(await halfWritten(database)).toEqual([]);
      const { rows } = await database.query(
        `select state, count(*)::integer from pg_stat_activity where application_name = 'bicameral commands' group by state`,
      );
      expect(rows).toEqual([{ state: 'idle', count: expect.any(Number) }]);
      expect(rows[0]?.count).toBeLessThanOrEqual(10);
    },
  );
});

async function postmaster(): Promise<number> {
  const [pid = ''] = (await readFile(join(postgresFolder(), 'primary', 'postmaster.pid'), 'utf8')).split('\n');
  return Number(pid);
}

async function oneConnection(): Promise<number> {
  await using database = await connectTo(dataDir.path);
  const { rows } = await database.query(`select pid from pg_stat_activity where application_name = 'bicameral commands' limit 1`);
  return rows[0].pid;
}

function outcome(failure: unknown): string {
  if (!(failure instanceof ConnectError)) return String(failure);
  const [retry] = failure.findDetails(RetryInfoSchema);
  return retry ? `${Code[failure.code]}, try again later` : failure.message;
}
