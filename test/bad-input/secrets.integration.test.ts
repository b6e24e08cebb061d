import type { DescMethod } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { inProcessTransport } from '../../src/kernel/doors/in-process.ts';
import { asAdmin, logIn, signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';
import { encoded, type Init } from './generated-messages.ts';
import { type OpenDoors, openDoors } from './open-doors.ts';
import { pathOf } from './raw-calls.ts';

/** In every password that is sent, and in nothing else. Short, because an excerpt of a password is too much as well. */
const CANARY = 'kiwi';
const { createUser, logIn: logInMethod, changePassword, changeName } = CommandService.method;

/** The month of now. */
const COMMAND_LOG = `cqrs.command_log_${new Date().toISOString().slice(0, 7).replace('-', '_')}`;

let app: TestApp;
let doors: OpenDoors;
let count = 0;
/** Everything that the callers were told when they were refused, and how often they were not. */
const refusals: string[] = [];
let answered = 0;

beforeAll(async () => {
  app = await startTestApp();
  doors = openDoors(app.app);
});
afterAll(async () => {
  doors.close();
  await app.stop();
});

/** A good password of its own for each call. */
function password(): string {
  count += 1;
  return `${CANARY}berg ${CANARY}hafen ${CANARY}moos ${count}`;
}

type Way = 'gRPC' | 'Connect' | 'json' | 'in process';
const WAYS: readonly Way[] = ['gRPC', 'Connect', 'json', 'in process'];

async function send(way: Way, method: DescMethod, init: Init, token = ''): Promise<void> {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  if (way === 'in process') {
    const unary = method as DescMethod & { methodKind: 'unary' };
    await note(inProcessTransport(app.app.bus).unary(unary, undefined, undefined, headers, init as never));
  } else {
    const body = way === 'json' ? Buffer.from(JSON.stringify(init)) : encoded(method.input, init);
    await note(doors[way]({ path: pathOf(method), headers, body }));
  }
}

/** A body that is broken around its password. */
async function sendJson(method: DescMethod, json: string, token = ''): Promise<void> {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  await note(doors.json({ path: pathOf(method), headers, body: Buffer.from(json) }));
}

async function note(call: Promise<unknown>): Promise<void> {
  await call.then(
    () => {
      answered += 1;
    },
    (error: unknown) => {
      if (!(error instanceof ConnectError)) throw error;
      const details = error.details.map((detail) =>
        'desc' in detail ? JSON.stringify(detail.value) : Buffer.from(detail.value).toString('latin1'),
      );
      refusals.push([error.message, ...details, JSON.stringify([...error.metadata])].join('\n'));
    },
  );
}

async function storyOver(way: Way): Promise<void> {
  const [first, second] = [password(), password()];
  const { email, name } = somebody();
  const user = await signUp(app, { email, name, password: first });
  const token = await logIn(app, user, first);

  await send(way, createUser, { ...somebody(), password: password() });
  await send(way, createUser, { email, name, password: password() });
  await send(way, createUser, { email: 'no address', name: '\0', password: password() });
  await send(way, createUser, { ...somebody(), password: CANARY });
  await send(way, createUser, { ...somebody(), password: password().repeat(5) });
  await send(way, createUser, { ...somebody(), name: 'hafen', password: password() });
  await send(way, createUser, { ...somebody(), password: CANARY.repeat(4) });
  await send(way, logInMethod, { email, password: first });
  await send(way, logInMethod, { email, password: password() });
  await send(way, logInMethod, { email: somebody().email, password: password() });
  await send(way, logInMethod, { email: 'no address', password: password() });
  await send(way, logInMethod, { email, password: password().repeat(5) });
  const change = { userId: user.id, currentPassword: first };
  await send(way, changePassword, { ...change, newPassword: password() });
  await send(way, changePassword, { ...change, newPassword: password() }, password());
  await send(way, changePassword, { ...change, newPassword: CANARY }, token);
  await send(way, changePassword, { ...change, newPassword: CANARY.repeat(4) }, token);
  await send(way, changePassword, { ...change, currentPassword: password(), newPassword: password() }, token);
  await send(way, changePassword, { userId: 'mine', currentPassword: password(), newPassword: password() }, token);
  await send(way, changePassword, { ...change, newPassword: second }, token);
  await send(way, logInMethod, { email, password: first });
  await send(way, logInMethod, { email, password: second });
  await asAdmin(app).suspendUser({ userId: user.id, reason: 'spam' });
  await send(way, logInMethod, { email, password: second });
  await asAdmin(app).deleteUser({ userId: user.id });
  await send(way, logInMethod, { email, password: second });
}

const BROKEN_JSON = [
  (secret: string) => `{"email": "ada@example.org", "password": "${secret}"`,
  (secret: string) => `{"password": "${secret}"} x`,
  (secret: string) => `{"password": ${secret}}`,
  (secret: string) => `{"password": "${secret}\n"}`,
  (secret: string) => `"${secret}"`,
  (secret: string) => secret,
  (secret: string) => `["${secret}"]`,
  (secret: string) => `{"password": ["${secret}"]}`,
  (secret: string) => `{"password": {"plain": "${secret}"}}`,
  (secret: string) => `{"password": {"${secret}": 1}}`,
];

it('a password is nowhere in the log, in the database or in what callers are told', async () => {
  for (let round = 0; round < 12; round++) await Promise.all(WAYS.map(storyOver));
  for (const method of [createUser, logInMethod]) for (const broken of BROKEN_JSON) await sendJson(method, broken(password()));
  const user = await signUp(app);
  await sendJson(changeName, `{"user_id": "${user.id}", "expected_version": "${password()}"}`);

  expect(refusals.length + answered).toBeGreaterThanOrEqual(1_000);
  expect(answered).toBeGreaterThanOrEqual(40 * 4);
  expect(refusals.filter((text) => text.includes(CANARY))).toEqual([]);
  expect(app.log()).toContain('CreateUser');
  expect(app.log()).not.toContain(CANARY);
  expect(await metricsPages()).not.toMatch(new RegExp(`${CANARY}|@example|eyJ`));
  expect(await tablesWith(CANARY)).toEqual([]);
  // The search would have found it.
  expect(await tablesWith(user.name)).toEqual([
    'cqrs.command_log',
    COMMAND_LOG,
    'cqrs.event',
    'read.user_directory',
    'users.user',
  ]);
});

/** Every form of the metrics, one behind the other. */
async function metricsPages(): Promise<string> {
  const page = (accept: string) =>
    fetch(`http://127.0.0.1:${app.app.metricsPort}/metrics`, { headers: { accept } }).then((response) => response.text());
  const pages = await Promise.all(['text/plain', 'application/openmetrics-text', 'application/json'].map(page));
  for (const text of pages) expect(text).toContain('CreateUser');
  return pages.join('\n');
}

/** Tables of every schema, of bytes in hexadecimal too, in which the text stands. */
async function tablesWith(text: string): Promise<string[]> {
  const tables = await app.database.query<{ name: string; id: string }>(
    `select format('%s.%s', table_schema, table_name) as name, format('%I.%I', table_schema, table_name) as id
     from information_schema.tables
     where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema') order by 1`,
  );
  const found: string[] = [];
  for (const { name, id } of tables) {
    const rows = await app.database.query<{ row: string }>(`select t::text as row from ${id} as t`);
    const hex = Buffer.from(text).toString('hex');
    if (rows.some(({ row }) => row.includes(text) || row.includes(hex))) found.push(name);
  }
  return found;
}
