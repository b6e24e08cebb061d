import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { QueryService } from '../../gen/events/v1/query_service_pb.js';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import type { ConnectionSettings } from '../../src/embedded-postgres/connection-settings.ts';
import type { EmbeddedCluster } from '../../src/embedded-postgres/embedded-cluster.ts';
import { startEmbeddedCluster } from '../../src/embedded-postgres/start-embedded-cluster.ts';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import { eventually } from '../support/eventually.ts';
import { grpcJsTransport } from '../support/grpc-js-transport.ts';
import { type Service, startService } from '../support/service.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

/** Events that are stored after each kill, at least. */
const EVENTS = 60;
const KILLS = 3;

const dataDir = temporaryDataDir();
let keys: string;
let cluster: EmbeddedCluster;
let env: Record<string, string>;

const url = ({ host, port, user, database }: ConnectionSettings): string =>
  `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;

beforeAll(async () => {
  cluster = await startEmbeddedCluster({ dataDir: dataDir.path, settings: { fsync: 'off' } });
  keys = await mkdtemp(join(tmpdir(), 'bicameral-keys-'));
  await loadOrCreateSigningKey(join(keys, 'key.pem'));
  const { owner, writer, replicas, superuser } = cluster.connections;
  const client = new pg.Client(superuser);
  await client.connect();
  await client.query('grant bicameral_reader to bicameral_writer');
  await client.end();
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

/** Calls an instance, and the other one when that one is not there. */
class Instances implements AsyncDisposable {
  readonly #running: Service[] = [];
  readonly #transports = new Map<string, ReturnType<typeof grpcJsTransport>>();

  async start(): Promise<void> {
    this.#running.push(await startService({ env }));
  }

  get first(): Service {
    const [first] = this.#running;
    if (!first) throw new Error('no instance runs');
    return first;
  }

  /** Of the instance that has run longest. */
  transport(): ReturnType<typeof grpcJsTransport> {
    const { grpcAddress } = this.first;
    const transport = this.#transports.get(grpcAddress) ?? grpcJsTransport(grpcAddress);
    this.#transports.set(grpcAddress, transport);
    return transport;
  }

  /** `kill -9` of the one that has run longest. */
  async killFirst(): Promise<void> {
    await this.#running.shift()?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const transport of this.#transports.values()) transport.close();
    await Promise.all(this.#running.map((service) => service.stop()));
  }
}

const isAway = (error: unknown): boolean =>
  [Code.Unavailable, Code.Aborted, Code.Canceled, Code.Unknown].includes(ConnectError.from(error).code);

describe('a subscriber whose instance is killed', () => {
  it('goes on at another from its last place, and has had every event once', async () => {
    await using instances = new Instances();
    await instances.start();
    const token = await instances.first.adminToken();
    const headers = { authorization: `Bearer ${token}` };
    const { user } = await createClient(CommandService, instances.transport()).createUser({
      email: 'ada@example.org',
      name: 'Ada',
      password: 'seven green lamps hum',
    });
    const userId = user?.id ?? '';

    let isOver = false;
    const subscribers = [{}, { types: ['users.v1.UserNameChanged'] }].map((filter) => {
      const subscriber = { place: 0n, seen: [] as bigint[], broken: 0, read: Promise.resolve() };
      const read = async (): Promise<void> => {
        while (!isOver) {
          try {
            const queries = createClient(QueryService, instances.transport());
            const leaving = new AbortController();
            const request = { afterSequence: subscriber.place, filter };
            for await (const message of queries.subscribeEvents(request, { headers, signal: leaving.signal })) {
              expect(message.afterSequence).toBe(subscriber.place);
              subscriber.place = message.throughSequence;
              if (message.event) subscriber.seen.push(message.event.sequence);
              if (isOver) break;
            }
            leaving.abort();
          } catch (error) {
            if (!isAway(error)) throw error;
            subscriber.broken += 1;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      };
      subscriber.read = read();
      return subscriber;
    });

    let written = 0;
    const write = async (): Promise<void> => {
      for (let serial = 1; !isOver; serial += 1) {
        try {
          await createClient(CommandService, instances.transport()).changeName({ userId, name: `Ada ${serial}` }, { headers });
          written += 1;
        } catch (error) {
          if (!isAway(error)) throw error;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const writing = write();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await instances.start();
      const before = written;
      await eventually(() => expect(written).toBeGreaterThan(before + EVENTS));
      await instances.killFirst();
    }
    const before = written;
    await eventually(() => expect(written).toBeGreaterThan(before + EVENTS));
    const [whole, filtered] = subscribers;
    await eventually(() => expect(Number(whole?.place)).toBeGreaterThan(written));
    await eventually(() => expect(filtered?.place).toBeGreaterThan(BigInt(written)));
    isOver = true;
    await Promise.all([writing, ...subscribers.map(({ read }) => read)]);

    // Every place once, in order; the first event is the sign-up, which the filter leaves out.
    expect(whole?.seen).toEqual(Array.from({ length: whole?.seen.length ?? 0 }, (_, index) => BigInt(index + 1)));
    expect(filtered?.seen).toEqual(Array.from({ length: filtered?.seen.length ?? 0 }, (_, index) => BigInt(index + 2)));
    expect(whole?.broken).toBeGreaterThanOrEqual(KILLS);
  });
});
