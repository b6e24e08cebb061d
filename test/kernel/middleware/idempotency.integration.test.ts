import { createHmac, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { create, type DescMethodUnary, type Message, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { isSigningKey, parseKey } from '../../../src/kernel/auth/signing-key.ts';
import { methodName } from '../../../src/kernel/bus/convention.ts';
import { DatabaseUnavailable } from '../../../src/kernel/bus/errors.ts';
import { middleware } from '../../../src/kernel/bus/middleware.ts';
import { holdsSecrets, isSecret } from '../../../src/kernel/bus/redaction.ts';
import { NamedStatementClient } from '../../../src/kernel/database/named-statement-client.ts';
import { createPool } from '../../../src/kernel/database/pool.ts';
import { statementSummary } from '../../../src/kernel/database/statement-summary.ts';
import {
  type Claim,
  createIdempotencyKeys,
  type EarlierAnswer,
  type IdempotencyKeys,
} from '../../../src/kernel/database/write/idempotency-keys.ts';
import { KeyClaimedMeanwhile } from '../../../src/kernel/database/write/unit-of-work.ts';
import { inProcessTransport } from '../../../src/kernel/doors/in-process.ts';
import { idempotency } from '../../../src/kernel/middleware/idempotency.ts';
import { createTestDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/errors.ts';
import { grpcJsTransport } from '../../support/grpc-js-transport.ts';
import { commandLog } from '../../support/logged-commands.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { around, callTo, pass } from './test-call.ts';

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

  it('comes to its first statement and no further when the key was used: the look for it goes out with that', async () => {
    const { id: userId } = await signUp(app);
    const key = newKey();
    const rename = () => see((options) => asAdmin(app).changeName({ userId, name: 'Once' }, options), key);
    const sent: string[] = [];
    NamedStatementClient.listener = (text, purpose) => {
      if (purpose === 'bicameral commands') sent.push(statementSummary(text));
    };
    await rename();
    const first = sent.splice(0);
    expect(await rename()).toMatchObject({ replayed: true });
    NamedStatementClient.listener = undefined;
    const load = ['BEGIN', 'SELECT cqrs.idempotency_key', 'SELECT users.user'];
    expect(first.slice(0, 3)).toEqual(load);
    expect(sent.slice(0, 4)).toEqual([...load, 'ROLLBACK']);
    expect(sent.filter((summary) => /^(INSERT|UPDATE|COMMIT)/.test(summary))).toEqual([]);
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
    for (const key of [
      '',
      'a b',
      'x'.repeat(256),
      'ö',
      '""',
      '"a b"',
      '"abc',
      'abc"',
      'a"b',
      '"abc"; version=1',
      '"a", "b"',
      '"a\\b"',
    ]) {
      const call = asAdmin(app).changeName({ userId: 'no id', name: '' }, { headers: { 'idempotency-key': key } });
      // The request itself is looked at first, and a key of a valid one after that.
      expect(await refusalOf(call)).toMatchObject({ reason: 'INVALID_REQUEST' });
      const { id: userId } = await signUp(app);
      const valid = asAdmin(app).changeName({ userId, name: 'x' }, { headers: { 'idempotency-key': key } });
      expect(await refusalOf(valid)).toMatchObject({ code: 'InvalidArgument', reason: 'IDEMPOTENCY_KEY_INVALID' });
    }
  });

  it('is known by its key, bare or quoted as a structured string (RFC 8941)', async () => {
    const { id: userId } = await signUp(app);
    const key = newKey();
    const rename = (header: string) => see((options) => asAdmin(app).changeName({ userId, name: 'Quoted' }, options), header);
    expect(await rename(key)).toMatchObject({ replayed: false });
    for (const header of [`"${key}"`, ` "${key}" `, key]) expect(await rename(header)).toMatchObject({ replayed: true });
    expect(await rename(String.raw`"a\"b\\c"`)).toMatchObject({ replayed: false });
  });

  it('does not meet the key of another anonymous caller', async () => {
    const key = newKey();
    const [ada, grace] = [somebody(), somebody()];
    for (const values of [ada, grace]) {
      const seen = await see((options) => app.client(CommandService).createUser(values, options), key);
      expect(seen).toMatchObject({ replayed: false, answer: { user: { email: values.email } } });
    }
    for (const values of [ada, grace]) {
      const seen = await see((options) => second.client(CommandService).createUser(values, options), key);
      expect(seen).toMatchObject({ replayed: true, answer: { user: { email: values.email } } });
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

  it('keeps no hash of a password when the person was erased', async () => {
    const values = somebody();
    const { user } = await app.client(CommandService).createUser(values, { headers: { 'idempotency-key': newKey() } });
    const userId = user?.id ?? '';
    const client = app.client(CommandService, { token: await logIn(app, values) });
    await client.deleteUser({ userId, currentPassword: values.password }, { headers: { 'idempotency-key': newKey() } });
    const kept = await app.database.query('select secret from cqrs.idempotency_key where aggregate_id = $1', [userId]);
    expect(kept).toEqual([{ secret: null }, { secret: null }]);
  });
});

describe('a key that was used with version 0.1', () => {
  /** Has the key's row hold what version 0.1 stored: a digest by a key that is derived from the one that signs, secrets included. */
  async function asBy01(key: string, method: DescMethodUnary, request: Message): Promise<void> {
    const signingKey = await parseKey(await readFile(app.keyFile, 'utf8'));
    if (!isSigningKey(signingKey)) throw new Error('the key that signs is private');
    const fingerprint = createHmac('sha256', signingKey.deriveKey('idempotency fingerprints'))
      .update(`${methodName(method)}\0`)
      .update(toBinary(method.input, request))
      .digest();
    const changed = await app.database.query(
      'update cqrs.idempotency_key set fingerprint = $2, secret = null where key = $1 returning key',
      [key, fingerprint],
    );
    expect(changed).toHaveLength(1);
  }

  it('gets the answer of then, and is refused for another request', async () => {
    const { id: userId } = await signUp(app);
    const key = newKey();
    const rename = (name: string) => see((options) => asAdmin(app).changeName({ userId, name }, options), key);
    const first = await rename('Before');
    const { method } = CommandService;
    await asBy01(key, method.changeName, create(method.changeName.input, { userId, name: 'Before' }));
    expect(await rename('Before')).toEqual({ ...first, replayed: true });
    expect(await refusalOf(rename('After'))).toMatchObject({ reason: 'IDEMPOTENCY_KEY_REUSED' });
  });

  it('is no way to try passwords out', async () => {
    const { id: userId, email } = await signUp(app);
    const client = app.client(CommandService, { token: await logIn(app, { email }) });
    const key = newKey();
    const values = { userId, currentPassword: PASSWORD, newPassword: 'eight blue lamps hum' };
    const change = () => client.changePassword(values, { headers: { 'idempotency-key': key } });
    await change();
    const { method } = CommandService;
    await asBy01(key, method.changePassword, create(method.changePassword.input, values));
    expect(await refusalOf(change())).toMatchObject({ reason: 'IDEMPOTENCY_KEY_REUSED' });
  });
});

describe('an idempotency key of a request with a secret in it', () => {
  it('is no way to try passwords out: wrong ones are refused, and then the right one, too', async () => {
    const values = somebody();
    const headers = { 'idempotency-key': newKey() };
    const create = (password: string, on = app) => on.client(CommandService).createUser({ ...values, password }, { headers });
    await create(values.password);
    const reasons: unknown[] = [];
    for (let guess = 0; guess < 8; guess++) {
      reasons.push((await refusalOf(create(`nine purple lamps hum ${guess}`, guess % 2 ? second : app))).reason);
    }
    expect(reasons).toEqual([...Array(6).fill('IDEMPOTENCY_KEY_REUSED'), ...Array(2).fill('GUESSES_THROTTLED')]);
    expect(await refusalOf(create(values.password))).toMatchObject({ reason: 'GUESSES_THROTTLED' });
  });

  it('is none for the passwords of a user with a session, either', async () => {
    const { id, email } = await signUp(app);
    const client = app.client(CommandService, { token: await logIn(app, { email }) });
    const headers = { 'idempotency-key': newKey() };
    const change = (currentPassword: string, newPassword: string) =>
      client.changePassword({ userId: id, currentPassword, newPassword }, { headers });
    const first = await change(PASSWORD, 'eight blue lamps hum');
    expect(await change(PASSWORD, 'eight blue lamps hum')).toEqual(first);
    const reasons: unknown[] = [];
    for (let guess = 0; guess < 8; guess++) {
      reasons.push((await refusalOf(change(PASSWORD, `nine purple lamps hum ${guess}`))).reason);
    }
    expect(reasons).toEqual([...Array(6).fill('IDEMPOTENCY_KEY_REUSED'), ...Array(2).fill('GUESSES_THROTTLED')]);
  });

  it('is stored with a slow hash of the request, and in the clear or as a fast digest with nothing of the secret', async () => {
    const values = somebody();
    const key = newKey();
    await app.client(CommandService).createUser(values, { headers: { 'idempotency-key': key } });
    const rows = await app.database.query<{ secret: string; fingerprint: Buffer; key: string }>(
      'select secret, fingerprint, key from cqrs.idempotency_key where key like $1',
      [`${key} %`],
    );
    expect(rows).toEqual([expect.objectContaining({ secret: expect.stringMatching(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/) })]);
    await app.client(CommandService).createUser({ ...values, email: somebody().email }, { headers: { 'idempotency-key': key } });
    const other = { ...values, password: 'nine purple lamps hum' };
    await refusalOf(app.client(CommandService).createUser(other, { headers: { 'idempotency-key': key } }));
    const digests = await app.database.query('select distinct fingerprint from cqrs.idempotency_key where key like $1', [
      `${key} %`,
    ]);
    expect(digests).toHaveLength(2);
  });

  it('is told the same by every rpc: whatever the contract calls a secret has no part in the fingerprint', async () => {
    const commands = [...app.app.bus.values()].filter(({ kind, method }) => kind === 'command' && holdsSecrets(method.input));
    const claims: Claim[] = [];
    const nothing = (): never => {
      throw new Error('not asked for');
    };
    const once = idempotency({
      keys: { find: async (claim) => void claims.push(claim) as undefined },
      fingerprintKey: Buffer.alloc(32, 1),
      fingerprintKeys01: [],
      secrets: { forCaller: () => ({ hash: async () => 'slow', verify: nothing }) },
      guessing: nothing,
      guessTarget: nothing,
    });
    const taking = commands.filter(({ method }) => !holdsSecrets(method.output));
    expect(taking.length).toBeGreaterThan(1);
    for (const { method } of taking) {
      const secrets = method.input.fields.filter(isSecret);
      expect(secrets.length).toBeGreaterThan(0);
      for (const value of ['one secret', 'another secret']) {
        const request = Object.fromEntries(secrets.map(({ localName }) => [localName, value]));
        await pass(once, callTo(method, { request, header: { 'idempotency-key': 'k' } }));
      }
      const [first, second] = claims.splice(0);
      expect(second?.fingerprint).toEqual(first?.fingerprint);
    }
  });
});

describe('a key that another command claims meanwhile', () => {
  const call = () => callTo(CommandService.method.changeName, { request: { userId: 'x' }, header: { 'idempotency-key': 'k' } });
  const nothing = (): never => {
    throw new Error('not asked for');
  };
  const once = (find: IdempotencyKeys['find']) =>
    idempotency({
      keys: { find },
      fingerprintKey: Buffer.alloc(32, 1),
      fingerprintKeys01: [],
      secrets: { forCaller: nothing },
      guessing: nothing,
      guessTarget: nothing,
    });

  it('is a conflict when it has run out since, and the database is away when that cannot be told', async () => {
    const gone = pass(
      once(async () => undefined),
      call(),
      new KeyClaimedMeanwhile(),
    );
    await expect(gone).rejects.toMatchObject({ reason: 'CONFLICT' });
    const away = pass(
      once(async () => {
        throw new DatabaseUnavailable();
      }),
      call(),
      new KeyClaimedMeanwhile(),
    );
    await expect(away).rejects.toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
  });

  it('is a conflict to whoever else meets it, and still that one for idempotency', async () => {
    const met: unknown[] = [];
    const interceptor = middleware(
      'errors in the words of Connect',
      () => (next) => async (request) => {
        try {
          return await next(request);
        } catch (error) {
          met.push(error);
          throw ConnectError.from(error);
        }
      },
      { after: 'idempotency' },
    );
    const earlier: EarlierAnswer = {
      commandId: 'another',
      response: Buffer.alloc(0),
      secret: undefined,
      state: new Error('not asked'),
    };
    const { changeName: method } = CommandService.method;
    const failing = around(interceptor, method, () => Promise.reject(new KeyClaimedMeanwhile()));
    const found = once(async () => earlier);
    expect((await around(found, method, failing)(call())).commandId).toBe('another');
    expect(met).toMatchObject([{ code: Code.Aborted }]);
  });
});

describe('idempotency keys', () => {
  it('are removed when they are old, in small batches, and no others', async () => {
    await app.database.query(`insert into cqrs.idempotency_key (principal, method, key, fingerprint, command_id, created_at)
      select case when n > 10 then 'old' else 'new' end, 'm', n::text, ''::bytea, gen_random_uuid(),
        now() - case when n > 10 then interval '25 hours' else interval '23 hours' end
      from generate_series(1, 2510) as n`);
    const pool = createPool(app.database.connections.writer, { name: 'test', max: 2, readOnly: false });
    const keys = createIdempotencyKeys({ pool, keptSeconds: 24 * 3600 });
    expect(await keys.removeOld()).toBe(2500);
    await pool.close();
    const [left] = await app.database.query<{ count: number }>(
      `select count(*)::integer as count from cqrs.idempotency_key where principal in ('old', 'new')`,
    );
    expect(left?.count).toBe(10);
  });

  it('of a reactor are kept as long as it can get their event again', async () => {
    // Its events are numbered here, by no service.
    const database = await createTestDatabase();
    const pool = createPool(database.connections.writer, { name: 'test', max: 2, readOnly: false });
    const keys = createIdempotencyKeys({ pool, keptSeconds: 3600 });
    const left = async () => {
      await keys.removeOld();
      const rows = await database.query<{ key: string }>(
        `select principal || ' ' || replace(key, (select min(id::text) from unnest($1::uuid[]) as id where key like id || '%'), '') as key
         from cqrs.idempotency_key where principal like 'reactor %' order by 1`,
        [events.map(({ id }) => id)],
      );
      return rows.map(({ key }) => key);
    };
    const events = await database.query<{ id: string; sequence: string }>(`with event as (
        insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
        select gen_random_uuid(), 'an.Event', ''::bytea, 'a.Type', gen_random_uuid(), 1, gen_random_uuid(), '', now()
        from generate_series(1, 3) returning id, position
      ), feed as (
        insert into cqrs.feed (sequence, position) select row_number() over (order by position), position from event returning *
      ) select id, sequence from event join feed using (position) order by sequence`);
    await database.query(`insert into cqrs.processor (name, kind, checkpoint) values ('here', 'reactor', 2)`);
    const used = [
      ...events.map(({ id }) => ['reactor here', id]),
      ['reactor here', `${events[2]?.id}-2`],
      ['reactor here', `${events[2]?.id}:of its own`.replaceAll(' ', '-')],
      ['reactor gone', events[2]?.id],
      // Of a caller whom another issuer calls so.
      ['reactor here', 'no event'],
    ];
    for (const [index, [principal, key]] of used.entries()) {
      await database.query(
        `insert into cqrs.idempotency_key (principal, method, key, fingerprint, command_id, created_at)
         values ($1, $2, $3, '', gen_random_uuid(), now() - interval '2 hours')`,
        [principal, `m${index}`, key],
      );
    }
    await database.query(
      `insert into cqrs.dead_letter (processor, partition, sequence, aggregate_id, type, attempts)
       values ('here', 0, 1, gen_random_uuid(), 'an.Event', 3)`,
    );
    expect(await left()).toEqual(['reactor here ', 'reactor here ', 'reactor here -2', 'reactor here :of-its-own']);
    await database.query(`update cqrs.processor set checkpoint = 3 where name = 'here'`);
    expect(await left()).toEqual(['reactor here ']);
    await database.query(`delete from cqrs.dead_letter where processor = 'here'`);
    expect(await left()).toEqual([]);
    await pool.close();
    await database.drop();
  });

  it('of a timer are kept as long as it is there', async () => {
    const database = await createTestDatabase();
    const pool = createPool(database.connections.writer, { name: 'test', max: 2, readOnly: false });
    const keys = createIdempotencyKeys({ pool, keptSeconds: 3600 });
    const [waiting, gone] = [randomUUID(), randomUUID()];
    await database.query(
      `insert into cqrs.timer (id, process, process_key, key, method, request, accepts, due_at, event_id, correlation_id, traceparent)
       values ($1, 'here', 'a', 'b', 'm', '', '{}', now(), gen_random_uuid(), gen_random_uuid(), '')`,
      [waiting],
    );
    await database.query(
      `insert into cqrs.idempotency_key (principal, method, key, fingerprint, command_id, created_at)
       select principal, 'm', key, '', gen_random_uuid(), now() - interval '2 hours'
       from unnest($1::text[], $2::text[]) as used (principal, key)`,
      [
        ['reactor here', 'reactor here', 'reactor here', 'somebody'],
        [`timer:${waiting}`, `timer:${gone}`, 'timer:nothing', `timer:${waiting}`],
      ],
    );
    expect(await keys.removeOld()).toBe(3);
    expect(await database.query('select principal, key from cqrs.idempotency_key')).toEqual([
      { principal: 'reactor here', key: `timer:${waiting}` },
    ]);
    await database.query('delete from cqrs.timer');
    expect(await keys.removeOld()).toBe(1);
    await pool.close();
    await database.drop();
  });
});
