import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService as UsersCommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService as UsersQueryService } from '../../../gen/users/v1/query_service_pb.js';
import { application } from '../../../src/app.ts';
import type { Application } from '../../../src/kernel/service.ts';
import { roles } from '../../../src/roles.ts';
import { CommandService, QueryService } from '../../gen/notes/v1/notes_pb.js';
import { refusalOf } from '../../support/errors.ts';
import { logIn, PASSWORD, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { notes } from './module.ts';

const CANARY = 'canary-4711';
const strong = { headers: { 'cqrs-consistency': 'strong' } };

const service: Application = {
  ...application,
  name: 'notebook',
  modules: [...application.modules, notes],
  roles: { ...roles, reader: ['notes.read'] },
  routes: [{ path: '/about', handle: () => ({ status: 200, body: { about: 'notes' } }) }],
};

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ as: service });
});
afterAll(() => app.stop());

async function writer(): Promise<{ id: string; token: string; noteId: string; writer: string }> {
  const user = await signUp(app, { name: 'Ada Writer' });
  const token = await logIn(app, user);
  const added = await app.client(CommandService, { token }).addNote({ text: `${CANARY} first` });
  return { id: user.id, token, noteId: added.noteId, writer: added.writer };
}

describe('a module beside the others', () => {
  it('asks another one in this process, by its contract', async () => {
    expect((await writer()).writer).toBe('Ada Writer');
  });

  it('says whose something is: the owner passes, and nobody else can tell whether it exists', async () => {
    const { token, noteId } = await writer();
    const own = app.client(QueryService, { token });
    expect(await own.getNote({ noteId }, strong)).toMatchObject({ text: `${CANARY} first` });
    await app.client(CommandService, { token }).changeNote({ noteId, text: 'second' });
    expect(await own.getNote({ noteId }, strong)).toMatchObject({ text: 'second' });

    const other = await writer();
    const theirs = app.client(QueryService, { token: other.token });
    const refused = await refusalOf(theirs.getNote({ noteId }));
    expect(refused).toMatchObject({ code: 'PermissionDenied', reason: 'PERMISSION_MISSING' });
    expect(await refusalOf(theirs.getNote({ noteId: '019ab000-0000-7000-8000-000000000000' }))).toEqual(refused);
    expect(await refusalOf(app.client(CommandService, { token: other.token }).changeNote({ noteId, text: 'x' }))).toMatchObject({
      code: 'PermissionDenied',
    });
    expect(await refusalOf(app.client(QueryService).getNote({ noteId }))).toMatchObject({ reason: 'TOKEN_MISSING' });
    expect(await app.client(QueryService, { roles: ['reader'] }).getNote({ noteId }, strong)).toMatchObject({ text: 'second' });
  });

  it('loses what it has about a person with the person: in no table is anything of it left', async () => {
    const { id, token, noteId } = await writer();
    await app.client(CommandService, { token }).changeNote({ noteId, text: `${CANARY} again` });
    await app
      .client(CommandService, { token })
      .addNote({ text: `${CANARY} with a key` }, { headers: { 'idempotency-key': 'a-note' } });
    const before = await holding();
    expect(before).toEqual(expect.arrayContaining(['notes.note', 'read.note_list', 'cqrs.event']));
    for (const user of await others(id)) await deleteUser(user);
    await app.client(UsersCommandService, { token }).deleteUser({ userId: id, currentPassword: PASSWORD });
    expect(await holding()).toEqual([]);
    expect(await app.client(UsersQueryService, { roles: ['admin'] }).getUser({ userId: id }, strong)).toMatchObject({
      user: { name: '' },
    });
  });

  it('serves pages of its own, and has the name of its service', async () => {
    const page = await fetch(`http://127.0.0.1:${app.app.httpPort}/about`);
    expect(await page.json()).toEqual({ about: 'notes' });
  });
});

/** Everybody else who wrote something. */
async function others(id: string): Promise<string[]> {
  const rows = await app.database.query<{ id: string }>('select distinct owner_id as id from notes.note where owner_id <> $1', [
    id,
  ]);
  return rows.map((row) => row.id);
}

const deleteUser = (userId: string) => app.client(UsersCommandService, { roles: ['admin'] }).deleteUser({ userId });

/** The tables in which the canary is found, in text or in bytes. */
async function holding(): Promise<string[]> {
  const tables = await app.database.query<{ name: string }>(
    `select format('%I.%I', nspname, relname) as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where relkind = 'r' and nspname in ('cqrs', 'read', 'users', 'notes')`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const hex = Buffer.from(CANARY).toString('hex');
    const rows = await app.database.query(`select from ${name} as row where row::text like $1 or row::text like $2 limit 1`, [
      `%${CANARY}%`,
      `%${hex}%`,
    ]);
    if (rows.length > 0) found.push(name);
  }
  return found;
}
