import { randomUUID } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { QueryService as AuditQueries } from '../../../gen/audit/v1/query_service_pb.js';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { loadSigningKey } from '../../../src/kernel/auth/key-files.ts';
import { prepareKey, retireKey, rotateKeys } from '../../../src/kernel/auth/key-rotation.ts';
import { forgetKey } from '../../../src/kernel/auth/known-keys.ts';
import { newKeyPem } from '../../../src/kernel/auth/signing-key.ts';
import { createTestDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../../support/people.ts';
import { restoreLog } from '../../support/restored-log.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

/** Everything that is made with a key, made at one instance and used at the other. */
async function takesOver(from: TestApp, to: TestApp): Promise<void> {
  const user = await signUp(from);
  const token = await logIn(from, user);
  expect((await to.client(QueryService, { token }).getUser({ userId: user.id })).user?.id).toBe(user.id);
  expect(await publishedBy(to)).toContain(decodeProtectedHeader(token).kid);

  const list = { pageSize: 1, orderBy: 'email' };
  const { nextPageToken: pageToken } = await from.client(QueryService, { roles: ['auditor'] }).listUsers(list);
  const second = await to.client(QueryService, { roles: ['auditor'] }).listUsers({ ...list, pageToken });
  expect(second.users).toHaveLength(1);

  const command = { ...somebody() };
  const headers = { 'idempotency-key': randomUUID() };
  const [once, again] = [
    await from.client(CommandService).createUser(command, { headers }),
    await to.client(CommandService).createUser(command, { headers }),
  ];
  expect(again.user?.id).toBe(once.user?.id);

  await from.database.query('delete from cqrs.guess');
  for (const app of [from, to])
    expect(await refusalOf(logIn(app, user, 'wrong'))).toMatchObject({ reason: 'CREDENTIALS_INVALID' });
  for (const { failures } of await from.database.query('select failures from cqrs.guess')) expect(failures).toBe(2);
}

async function publishedBy({ app }: TestApp): Promise<string[]> {
  const answer = await fetch(`http://127.0.0.1:${app.httpPort}/.well-known/jwks.json`);
  const { keys } = (await answer.json()) as { keys: { kid: string }[] };
  return keys.map(({ kid }) => kid);
}

const idIn = async (file: string): Promise<string> => (await loadSigningKey(file)).publicJwk.kid;

describe('a rotation of keys', () => {
  let home: TestApp;
  let folder: string;
  let running: TestApp[];
  beforeEach(async () => {
    home = await startTestApp();
    folder = dirname(home.keyFile);
    running = [home, await startTestApp({ beside: home })];
  });
  afterEach(async () => {
    for (const app of running) if (app !== home) await app.stop();
    await home.stop();
  });

  async function restart(place: number): Promise<void> {
    await running[place]?.app.stop();
    running[place] = await startTestApp({ beside: home });
  }

  async function bothWays(): Promise<void> {
    const [one, other] = running;
    if (!one || !other) throw new Error('two instances are running');
    await takesOver(one, other);
    await takesOver(other, one);
  }

  it('is noticed by nobody while instances are restarted one after the other', async () => {
    const [first] = running;
    if (!first) throw new Error('there is no instance');
    const before = await idIn(home.keyFile);
    const user = await signUp(first);
    const oldToken = await logIn(first, user);
    await bothWays();

    const steps = [() => prepareKey(folder), () => rotateKeys(folder, { unprepared: false }), () => retireKey(folder, before)];
    for (const step of steps) {
      await step();
      for (const place of [0, 1]) {
        await restart(place);
        await bothWays();
      }
    }
    const now = await idIn(home.keyFile);
    expect(now).not.toBe(before);
    const [last] = running;
    if (!last) throw new Error('there is no instance');
    expect(await publishedBy(last)).toEqual([now]);
    const refusal = await refusalOf(last.client(QueryService, { token: oldToken }).getUser({ userId: user.id }));
    expect(refusal).toMatchObject({ reason: 'TOKEN_INVALID', metadata: { cause: 'UNTRUSTED' } });

    await eventually(async () => {
      const { findings, keys } = await verified(last);
      expect(findings).toEqual([]);
      expect(keys.map(({ keyId, held }) => [keyId, held])).toEqual([
        [before, true],
        [now, true],
      ]);
    });
    const log = running.map((app) => app.log()).join('');
    expect(log).not.toContain('cannot be sealed');
  });

  it('keeps digests that are looked up in one key, which the table holds encrypted for each signing key', async () => {
    await rotateKeys(folder, { unprepared: true });
    await restart(0);
    const rows = await home.database.query<{ key_id: string; digest_key: Buffer }>(
      'select key_id, digest_key from cqrs.signing_key order by known_since',
    );
    expect(rows.map(({ key_id }) => key_id).at(-1)).toBe(await idIn(home.keyFile));
    expect(rows).toHaveLength(2);
    for (const { digest_key } of rows) expect(digest_key).toHaveLength(12 + 32 + 16);
  });
});

async function verified(app: TestApp) {
  const events = await Array.fromAsync(app.client(AuditQueries, { roles: ['auditor'] }).verifyIntegrity({}));
  const findings = events.flatMap(({ event }) => (event.case === 'finding' ? [event.value.description] : []));
  const keys = events.flatMap(({ event }) => (event.case === 'result' ? event.value.keys : []));
  return { findings, keys };
}

describe('a key that is lost', () => {
  let home: TestApp;
  let folder: string;
  let lost: string;
  beforeEach(async () => {
    home = await startTestApp();
    folder = dirname(home.keyFile);
    lost = await idIn(home.keyFile);
    await home.app.stop();
    await rm(home.keyFile);
  });
  afterEach(() => home.stop());

  it('is not made anew, whether the ring is empty or another key is there', async () => {
    const missing = `used with the signing key ${lost}, and ${folder} does not hold it. Put it back`;
    await expect(startTestApp({ beside: home })).rejects.toThrow(missing);
    expect(await readdir(folder)).toEqual([]);
    await writeFile(home.keyFile, newKeyPem(), { mode: 0o600 });
    await expect(startTestApp({ beside: home })).rejects.toThrow(missing);
    await expect(startTestApp({ beside: home })).rejects.toThrow(`bicameral keys forget <id>`);
    expect(await home.database.query('select key_id from cqrs.signing_key')).toEqual([{ key_id: lost }]);
  });

  it('can be given up: another one signs, and a verification names what it sealed', async () => {
    const { owner } = home.database.connections;
    expect(await forgetKey(owner, 'another')).toBe(false);
    expect(await forgetKey(owner, lost)).toBe(true);
    expect(await forgetKey(owner, lost)).toBe(false);
    const app = await startTestApp({ beside: home });
    try {
      expect(await idIn(home.keyFile)).not.toBe(lost);
      await asAdmin(app).createUser({ ...somebody(), password: PASSWORD });
      expect((await verified(app)).findings).toEqual([]);
    } finally {
      await app.stop();
    }
  });
});

describe('a database of version 0.1', () => {
  it('is missed its key as well, by who sealed last', async () => {
    const database = await createTestDatabase();
    const keys = await restoreLog(database, new URL('../command-log/seals/fixtures/sealed-by-0.1.json', import.meta.url));
    try {
      await expect(startTestApp({ on: database })).rejects.toThrow(`used with the signing key ${[...keys.keys()][0]}`);
    } finally {
      await database.drop();
    }
  });
});

describe('the role of the program', () => {
  it('may add keys that the database knows, and neither change nor remove them', async () => {
    const app = await startTestApp();
    try {
      const grants = await app.database.query(
        `select grantee, string_agg(privilege_type, ' ' order by privilege_type) as privileges from information_schema.role_table_grants
         where table_schema = 'cqrs' and table_name = 'signing_key' and grantee like 'bicameral%' and grantee <> grantor
         group by grantee`,
      );
      expect(grants).toEqual([{ grantee: 'bicameral_writer', privileges: 'INSERT SELECT' }]);
    } finally {
      await app.stop();
    }
  });
});
