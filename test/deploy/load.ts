import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@connectrpc/connect';
import { QueryService as AuditQueries } from '#gen/audit/v1/query_service_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { callerWith } from '../support/callers.ts';
import { grpcJsTransport } from '../support/grpc-js-transport.ts';
import { somebody } from '../support/people.ts';
import type { Service } from '../support/service.ts';

/** Calls of every kind, and with every end that the metrics tell of, again and again until it is disposed of. */
export async function startLoad(service: Service): Promise<AsyncDisposable> {
  const token = await service.adminToken();
  const caller = callerWith(token, service.grpcAddress);
  const anonymous = grpcJsTransport(service.grpcAddress);
  const { commands, queries } = caller;
  const stop = new AbortController();
  const person = somebody();
  const { user } = await commands.createUser(person);
  const userId = user?.id ?? '';

  async function ownWrite(n: number): Promise<void> {
    let headers = new Headers();
    await commands.changeName({ userId, name: `Own ${n}` }, { onHeader: (header) => (headers = header) });
    const token = headers.get('cqrs-consistency-token') ?? '';
    await queries.getUser({ userId }, { headers: { 'cqrs-consistency-token': token } });
  }

  async function round(n: number): Promise<void> {
    await Promise.allSettled([
      ...Array.from({ length: 8 }, (_, index) => commands.changeName({ userId, name: `N ${n} ${index}` })),
      ...Array.from({ length: 8 }, () => queries.getUser({ userId })),
      commands.changeName({ userId, name: 'Once' }, { headers: { 'idempotency-key': 'once' } }),
      commands.changeName({ userId, name: 'Rehearsed' }, { headers: { 'cqrs-dry-run': 'true' } }),
      commands.createUser(person),
      // Of a type that the projection of the service takes.
      commands.createUser(somebody()),
      createClient(CommandService, anonymous).logIn({ email: person.email, password: 'wrong' }),
      queries.getUser({ userId: '019aaaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa' }),
      queries.listUsers({}),
      ownWrite(n),
    ]);
  }

  async function watch(): Promise<void> {
    const headers = { authorization: `Bearer ${token}` };
    const { signal } = stop;
    for await (const _ of createClient(AuditQueries, anonymous).watchCommands({}, { headers, signal }));
  }

  const watching = watch().catch(() => {});
  const calling = (async () => {
    for (let n = 0; !stop.signal.aborted; n += 1) {
      await round(n);
      await sleep(50);
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await Promise.all([watching, calling]);
      caller[Symbol.dispose]();
      anonymous.close();
    },
  };
}
