import { createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { createIdempotencyKeys } from '../../src/postgres/writer/idempotency-keys.ts';
import { inProcessTransport } from '../../src/transport/in-process.ts';
import { refusalOf } from '../support/errors.ts';
import { grpcJsTransport } from '../support/grpc-js-transport.ts';
import { commandLog } from '../support/logged-commands.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

let app: TestApp;
let second: TestApp;
beforeAll(async () => {
  app = await startTestApp();
  second = await startTestApp({ beside: app });
});
afterAll(async () => {
  await second.stop();
  await app.stop();
});

let keys = 0;
const newKey = (): string => {
  keys += 1;
  return `key-${keys}`;
};

/** What a caller sees of one call. */
interface Seen {
  readonly answer: unknown;
  readonly replayed: boolean;
  readonly commandId: string | null;
}

async function see(
  call: (options: { headers: Record<string, string>; onHeader: (header: Headers) => void }) => Promise<unknown>,
  key: string,
): Promise<Seen> {
  let header = new Headers();
  const answer = await call({
    headers: { 'idempotency-key': key },
    onHeader: (received) => {
      header = received;
    },
  });
  return { answer, replayed: header.get('cqrs-replayed') === 'true', commandId: header.get('cqrs-command-id') };
}

const usersWith = (email: string): Promise<unknown[]> => app.database.query('select from users."user" where email = $1', [email]);

/** Every door of an instance. */
function doorsOf({ app: { grpcPort, httpPort, bus } }: TestApp): { transports: Transport[]; close: () => void } {
  const grpc = grpcJsTransport(`127.0.0.1:${grpcPort}`);
  const baseUrl = `http://127.0.0.1:${httpPort}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  const transports = [
    grpc,
    createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
    createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
    createGrpcTransport({ baseUrl, sessionManager }),
    inProcessTransport(bus),
  ];
  return {
    transports,
    close: () => {
      grpc.close();
      sessionManager.abort();
    },
  };
}

describe('a command with an idempotency key', () => {
  it('is done once by 50 parallel calls over all doors of two instances: 50 equal answers, 49 replayed', async () => {
    const values = somebody();
    const key = newKey();
    const doors = [doorsOf(app), doorsOf(second)];
    const transports = doors.flatMap((instance) => instance.transports);
    const calls = Array.from({ length: 50 }, (_, n) => {
      const client = createClient(CommandService, transports[n % transports.length] as Transport);
      return see((options) => client.createUser(values, options), key);
    });
    const seen = await Promise.all(calls);
    for (const { close } of doors) close();

    for (const { answer, commandId } of seen)
      expect({ answer, commandId }).toEqual({ answer: seen[0]?.answer, commandId: seen[0]?.commandId });
    expect(seen.filter(({ replayed }) => replayed)).toHaveLength(49);
    expect(await usersWith(values.email)).toHaveLength(1);
    const id = seen[0]?.commandId;
    expect(await commandLog(app, `command_id = $1 and outcome = 'succeeded'`, [id])).toHaveLength(1);
    expect(await commandLog(app, `answered_by = $1 and outcome = 'replayed'`, [id])).toHaveLength(49);
    expect(await app.database.query('select from cqrs.event where command_id = $1', [id])).toHaveLength(1);
  });

  it('gets the first answer again, however things stand by then', async () => {
    const { id: userId } = await signUp(app);
    const key = newKey();
    const rename = () => see((options) => asAdmin(app).changeName({ userId, name: 'First' }, options), key);
    const first = await rename();
    await asAdmin(app).changeName({ userId, name: 'Other' });
    const again = await rename();
    expect(again).toEqual({ ...first, replayed: true });
    expect(again.answer).toMatchObject({ user: { name: 'First', version: 2n } });
  });

  it('gets it even when nothing had to be changed', async () => {
    const { id: userId } = await signUp(app);
    await asAdmin(app).suspendUser({ userId, reason: 'spam' });
    const key = newKey();
    const suspend = () => see((options) => asAdmin(app).suspendUser({ userId, reason: 'spam' }, options), key);
    expect(await suspend()).toMatchObject({ replayed: false });
    await asAdmin(app).reactivateUser({ userId, reason: 'no spam' });
    expect(await suspend()).toMatchObject({ replayed: true });
  });

  it('is refused when the key was used for another request', async () => {
    const { id: userId } = await signUp(app);
    const headers = { 'idempotency-key': newKey() };
    await asAdmin(app).changeName({ userId, name: 'One' }, { headers });
    expect(await refusalOf(asAdmin(app).changeName({ userId, name: 'Two' }, { headers }))).toMatchObject({
      code: 'AlreadyExists',
      reason: 'IDEMPOTENCY_KEY_REUSED',
    });
  });

  it('does not meet the key of another caller, or of another method', async () => {
    const { id: userId } = await signUp(app);
    const key = newKey();
    const as = (id: string) => app.client(CommandService, { roles: ['admin'], id });
    await see((options) => as('a').changeName({ userId, name: 'One' }, options), key);
    expect(await see((options) => as('b').changeName({ userId, name: 'One' }, options), key)).toMatchObject({ replayed: false });
    expect(await see((options) => as('a').suspendUser({ userId, reason: 'x' }, options), key)).toMatchObject({ replayed: false });
  });

  it('can be sent again after a failure, which does not use the key up', async () => {
    const { id: userId } = await signUp(app);
    const key = newKey();
    const values = { userId, name: 'Later', expectedVersion: 2n };
    await refusalOf(asAdmin(app).changeName(values, { headers: { 'idempotency-key': key } }));
    await asAdmin(app).changeName({ userId, name: 'Meanwhile' });
    expect(await see((options) => asAdmin(app).changeName(values, options), key)).toMatchObject({ replayed: false });
  });

  it('is done by one of those that wait when the first one gives up', async () => {
    const values = somebody();
    const headers = { 'idempotency-key': newKey() };
    const giveUp = new AbortController();
    const first = app.client(CommandService).createUser(values, { headers, signal: giveUp.signal });
    const others = [app, second, app].map((instance) => instance.client(CommandService).createUser(values, { headers }));
    giveUp.abort();
    await expect(first).rejects.toThrow();
    const answers = await Promise.all(others);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await usersWith(values.email)).toHaveLength(1);
  });

  it('is refused with a key that is no key', async () => {
    for (const key of ['', 'a b', 'x'.repeat(256), 'ö']) {
      const call = asAdmin(app).changeName({ userId: 'no id', name: '' }, { headers: { 'idempotency-key': key } });
      // The request itself is looked at first, and a key of a valid one after that.
      expect(await refusalOf(call)).toMatchObject({ reason: 'INVALID_REQUEST' });
      const { id: userId } = await signUp(app);
      const valid = asAdmin(app).changeName({ userId, name: 'x' }, { headers: { 'idempotency-key': key } });
      expect(await refusalOf(valid)).toMatchObject({ code: 'InvalidArgument', reason: 'IDEMPOTENCY_KEY_INVALID' });
    }
  });

  it('is refused by an rpc that answers a secret', async () => {
    const { email } = await signUp(app);
    const call = app.client(CommandService).logIn({ email, password: PASSWORD }, { headers: { 'idempotency-key': newKey() } });
    expect(await refusalOf(call)).toMatchObject({ code: 'InvalidArgument', reason: 'IDEMPOTENCY_KEY_REFUSED' });
  });

  it('is not done again when its answer was erased with the person', async () => {
    const values = somebody();
    const headers = { 'idempotency-key': newKey() };
    const { user } = await app.client(CommandService).createUser(values, { headers });
    const token = await logIn(app, values);
    const deletion = newKey();
    const remove = () =>
      see((options) => app.client(CommandService, { token }).deleteUser({ userId: user?.id ?? '' }, options), deletion);
    const first = await remove();
    expect(await refusalOf(app.client(CommandService).createUser(values, { headers }))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'ANSWER_ERASED',
    });
    expect(first.answer).toMatchObject({ user: { email: '' } });
  });
});

describe('idempotency keys', () => {
  it('are removed when they are old, in small batches, and no others', async () => {
    await app.database.query(`insert into cqrs.idempotency_key (principal, method, key, fingerprint, command_id, created_at)
      select case when n > 10 then 'old' else 'new' end, 'm', n::text, ''::bytea, gen_random_uuid(),
        now() - case when n > 10 then interval '25 hours' else interval '23 hours' end
      from generate_series(1, 2510) as n`);
    const pool = new pg.Pool(app.database.connections.writer);
    const keys = createIdempotencyKeys({ pool, keptSeconds: 24 * 3600 });
    expect(await keys.removeOld()).toBe(2500);
    await pool.end();
    const [left] = await app.database.query<{ count: number }>(
      `select count(*)::integer as count from cqrs.idempotency_key where principal in ('old', 'new')`,
    );
    expect(left?.count).toBe(10);
  });
});
