import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { grpcJsTransport } from '../support/grpc-js-transport.ts';
import { PATIENCE } from '../support/patience.ts';
import { PASSWORD } from '../support/people.ts';
import { repeated } from '../support/repeated.ts';
import { type Service, startService } from '../support/service.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { connectTo, halfWritten } from './acknowledged-commands.ts';

/** How often the program is killed; many more by hand: CRASH_ROUNDS=100. */
const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 4);

/** What a client that cannot know whether its command was done sees: the connection broke, or nobody answers. */
const UNKNOWN_ENDS = new Set([Code.Unavailable, Code.Canceled, Code.Internal, Code.Unknown]);

it(
  `loses nothing that was acknowledged and does nothing twice when it is killed ${ROUNDS} times and its clients send again`,
  async () => {
    await using dataDir = temporaryDataDir();
    const addresses = { GRPC_ADDRESS: `127.0.0.1:${await freePort()}`, HTTP_ADDRESS: '127.0.0.1:0' };
    const start = (): Promise<Service> => startService({ dataDir: dataDir.path, env: addresses });
    let service = await start();
    const transport = grpcJsTransport(addresses.GRPC_ADDRESS, {
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 100,
    });
    const client = createClient(CommandService, transport);
    const authorization = `Bearer ${await service.adminToken()}`;
    /** Keys of the commands that were answered, each with the version of the user that the answer had. */
    const acknowledged = new Map<string, { id: string; version: bigint }>();
    let sentAgain = 0;

    /** Sends the command until it is answered, always with the same key. */
    async function untilAnswered(
      call: (options: { headers: Record<string, string> }) => Promise<{ user?: { id: string; version: bigint } | undefined }>,
    ) {
      const key = randomUUID();
      for (;;) {
        try {
          const { user } = await call({ headers: { authorization, 'idempotency-key': key } });
          if (!user) throw new Error('the answer has no user');
          acknowledged.set(key, user);
          return user;
        } catch (error) {
          if (!(error instanceof ConnectError) || !UNKNOWN_ENDS.has(error.code)) throw error;
          sentAgain += 1;
          await sleep(20);
        }
      }
    }

    try {
      const load = repeated(8, async (isOver) => {
        const email = `${randomUUID()}@example.org`;
        const user = await untilAnswered((options) => client.createUser({ email, name: 'New', password: PASSWORD }, options));
        for (let change = 2n; change < 8n && !isOver(); change += 1n) {
          const renamed = await untilAnswered((options) =>
            client.changeName({ userId: user.id, name: `Name ${change}` }, options),
          );
          expect(renamed).toMatchObject({ id: user.id, version: change });
        }
      });
      for (let round = 0; round < ROUNDS; round += 1) {
        const before = acknowledged.size;
        while (acknowledged.size < before + 20) await sleep(5);
        await sleep(Math.random() * 300);
        await service.kill();
        service = await start();
      }
      await load[Symbol.asyncDispose]();
      expect(load.failures).toEqual([]);
      expect(sentAgain).toBeGreaterThan(0);

      await using database = await connectTo(dataDir.path);
      const count = async (text: string): Promise<number> =>
        Number((await database.query<{ count: string }>(`select count(*) from ${text}`)).rows[0]?.count);
      const commands = acknowledged.size;
      expect(await count('cqrs.idempotency_key')).toBe(commands);
      expect(await count('cqrs.event')).toBe(commands);
      expect(await count(`cqrs.command_log where outcome = 'succeeded'`)).toBe(commands);
      const creations = await count(`cqrs.event where type = 'users.v1.UserCreated'`);
      expect(await count('users."user"')).toBe(creations);
      const { rows: keys } = await database.query<{ key: string }>('select key from cqrs.idempotency_key');
      expect(new Set(keys.map(({ key }) => key))).toEqual(new Set(acknowledged.keys()));
      expect(await halfWritten(database)).toEqual([]);
    } finally {
      transport.close();
      await service.stop();
    }
  },
  PATIENCE + ROUNDS * PATIENCE,
);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === 'string') throw new Error('there is no free port');
  return address.port;
}
