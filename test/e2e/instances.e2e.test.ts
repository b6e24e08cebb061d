import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.js';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { ConnectionSettings } from '../../src/embedded-postgres/connection-settings.ts';
import type { EmbeddedCluster } from '../../src/embedded-postgres/embedded-cluster.ts';
import { startEmbeddedCluster } from '../../src/embedded-postgres/start-embedded-cluster.ts';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import { run } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { grpcJsTransport } from '../support/grpc-js-transport.ts';
import { type Service, startService } from '../support/service.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

const dataDir = temporaryDataDir();
let keys: string;
let cluster: EmbeddedCluster;
let env: Record<string, string>;

const url = ({ host, port, user, database }: ConnectionSettings): string =>
  `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;

async function query(text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(cluster.connections.superuser);
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}

beforeAll(async () => {
  cluster = await startEmbeddedCluster({ dataDir: dataDir.path, settings: { fsync: 'off' } });
  keys = await mkdtemp(join(tmpdir(), 'bicameral-keys-'));
  await loadOrCreateSigningKey(join(keys, 'key.pem'));
  const { owner, writer, replicas } = cluster.connections;
  env = {
    DATABASE_URL: url(writer),
    DATABASE_OWNER_URL: url(owner),
    DATABASE_REPLICA_URLS: replicas.map(url).join(),
    AUTH_SIGNING_KEY_FILE: join(keys, 'key.pem'),
  };
});

afterAll(async () => {
  await cluster.stop();
  await rm(keys, { recursive: true });
  await dataDir[Symbol.asyncDispose]();
});

describe('instances on one database', () => {
  it('say what is missing when the role may not change the schema', async () => {
    const { DATABASE_OWNER_URL: _, ...writerOnly } = env;
    const { code, stderr } = await run(['serve'], { ...writerOnly, GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0' });
    expect(code).toBe(1);
    expect(stderr).toContain('DATABASE_OWNER_URL');
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('can all start at once on an empty database', async () => {
    await query('grant bicameral_reader to bicameral_writer');
    const instances = await Promise.all(Array.from({ length: 4 }, () => startService({ env })));
    try {
      const [migrations] = await query('select count(*), count(distinct name) as names from cqrs.migration');
      expect(Number(migrations?.names)).toBeGreaterThanOrEqual(2);
      expect(migrations?.count).toBe(migrations?.names);
      for (const { httpAddress } of instances) expect((await fetch(`http://${httpAddress}/readyz`)).status).toBe(200);
    } finally {
      await Promise.all(instances.map((instance) => instance.stop()));
    }
  });

  it('are restarted one after the other under load, and no call fails at a client that retries UNAVAILABLE', async () => {
    const { DATABASE_OWNER_URL: _, ...asWriter } = env;
    const instances = await Promise.all([startService({ env: asWriter }), startService({ env: asWriter })]);
    const clients = new Map<string, ReturnType<typeof clientsOf>>();
    let isLoading = true;
    const failures: unknown[] = [];
    let done = 0;
    let retried = 0;
    try {
      const token = await (instances[0] as Service).adminToken();
      const headers = { authorization: `Bearer ${token}` };
      /** Calls one instance, and the other when that one is not there. */
      const call = async (act: (clients: ReturnType<typeof clientsOf>) => Promise<unknown>): Promise<unknown> => {
        for (let attempt = 0; ; attempt += 1) {
          const { grpcAddress } = instances[attempt % 2] as Service;
          const client = clients.get(grpcAddress) ?? clientsOf(grpcAddress);
          clients.set(grpcAddress, client);
          try {
            return await act(client);
          } catch (error) {
            if (attempt > 20 || ConnectError.from(error).code !== Code.Unavailable) throw error;
            retried += 1;
            await sleep(20);
          }
        }
      };
      const { user } = await clientsOf((instances[0] as Service).grpcAddress).commands.createUser({
        email: 'load@example.org',
        name: 'Load',
        password: 'seven green lamps hum',
      });
      const userId = user?.id ?? '';
      const load = Array.from({ length: 8 }, async (_, worker) => {
        for (let round = 0; isLoading; round += 1) {
          try {
            if (worker % 2) await call(({ queries }) => queries.getUser({ userId }, { headers }));
            else await call(({ commands }) => commands.changeName({ userId, name: `Load ${worker}.${round}` }, { headers }));
            done += 1;
          } catch (error) {
            failures.push(error);
          }
        }
      });
      for (const [index, instance] of instances.entries()) {
        await sleep(500);
        expect(await instance.stop()).toBe(0);
        instances[index] = await startService({ env: asWriter });
      }
      await sleep(500);
      isLoading = false;
      await Promise.all(load);
    } finally {
      isLoading = false;
      for (const { close } of clients.values()) close();
      await Promise.all(instances.map((instance) => instance.stop()));
    }
    expect(failures).toEqual([]);
    expect(retried).toBeGreaterThan(0);
    expect(done).toBeGreaterThan(200);
    const [row] = await query(`select (select version from users."user") as version,
      (select count(distinct aggregate_version)::integer from cqrs.event where type <> 'users.v1.UserLoggedIn') as changes`);
    expect(row?.version).toBe(row?.changes);
  });

  it('finishes what is in flight when it is told to stop, and says meanwhile that it is not ready', async () => {
    const { DATABASE_OWNER_URL: _, ...asWriter } = env;
    const instance = await startService({ env: asWriter });
    const lock = new pg.Client(cluster.connections.superuser);
    await lock.connect();
    const { commands, close } = clientsOf(instance.grpcAddress);
    try {
      const { user } = await commands.createUser({ email: 'slow@example.org', name: 'Slow', password: 'seven green lamps hum' });
      const userId = user?.id ?? '';
      const headers = { authorization: `Bearer ${await instance.adminToken()}` };
      await lock.query('begin');
      await lock.query('select from users."user" where id = $1 for update', [userId]);
      const slow = commands.changeName({ userId, name: 'In flight' }, { headers });
      await sleep(300);
      const health = watchHealth(instance.grpcAddress);
      await eventually(() => expect(health).toEqual(['SERVING']));
      const stopped = instance.stop();
      await eventually(() => expect(health).toContain('NOT_SERVING'));
      // Nobody new is let in, neither to calls nor to /readyz.
      await eventually(() => expect(fetch(`http://${instance.httpAddress}/readyz`)).rejects.toThrow());
      await lock.query('commit');
      expect((await slow).user?.name).toBe('In flight');
      expect(await stopped).toBe(0);
    } finally {
      close();
      await lock.end();
      await instance.stop();
    }
  });
});

/** What the health service says of the whole server, a line for each change, until it ends the stream. */
function watchHealth(address: string): string[] {
  const said: string[] = [];
  const transport = grpcJsTransport(address);
  const watch = async (): Promise<void> => {
    for await (const { status } of createClient(Health, transport).watch({})) said.push(ServingStatus[status]);
  };
  void watch().catch(() => transport.close());
  return said;
}

function clientsOf(address: string) {
  const transport = grpcJsTransport(address);
  return {
    commands: createClient(CommandService, transport),
    queries: createClient(QueryService, transport),
    close: () => transport.close(),
  };
}
