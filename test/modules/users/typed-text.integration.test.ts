import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { application } from '../../../src/app.ts';
import { foldedText, sortedText } from '../../../src/kernel/bus/folded-text.ts';
import { migrate } from '../../../src/kernel/database/migrate.ts';
import { users } from '../../../src/modules/users/module.ts';
import { createEmptyDatabase, type TestDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/errors.ts';
import { asAdmin, logIn, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

/** In Turkish the lower case of I is a dotless ı. */
const turkish = (): Promise<TestDatabase> => createEmptyDatabase(`locale_provider icu icu_locale 'tr-TR' locale 'C'`);
const strong = { headers: { 'cqrs-consistency': 'strong' } };

describe.each([
  ['the locale that the service makes', undefined],
  ['a Turkish locale', turkish],
])('text that people type, on a database of %s', (_, database) => {
  let app: TestApp;
  beforeAll(async () => {
    if (!database) {
      app = await startTestApp();
      return;
    }
    const on = await database();
    await migrate(on.connections.owner, application.modules);
    app = await startTestApp({ on });
  });
  afterAll(() => app.stop());

  const list = () => app.client(QueryService, { roles: ['auditor'] });
  const found = async (search: string): Promise<string[]> =>
    (await list().listUsers({ search, pageSize: 1000 }, strong)).users.map(({ name }) => name);

  it.each([
    ['José', ['Jose\u0301', 'JOSÉ', ' josé\n']],
    ['Nguyễn Văn', ['Nguye\u0302\u0303n', 'NGUYỄN VĂN', 'văn']],
    ['ΝΙΚΟΣ', ['νικος', 'Νίκος'.normalize('NFD').replace('\u0301', ''), 'νικοσ']],
    ['Νικος Παπας', ['ΝΙΚΟΣ', 'ΠΑΠΑΣ', 'νικοσ παπασ']],
    ['Hauptstraße', ['STRASSE', 'strasse', 'STRAẞE', 'hauptstraße']],
    ['IRMAK', ['irmak', 'ırmak', 'Irmak']],
    ['İpek', ['i\u0307pek', 'İPEK']],
    ['한글', ['\u1112\u1161\u11ab\u1100\u1173\u11af', '한']],
    ['می\u200cخواهم', ['می\u200cخواهم', 'خواهم']],
    ['അവന്\u200d', ['അവന്\u200d']],
    ['שלום', ['שלום', 'לו']],
    ['สมชาย ใจดี', ['ใจดี']],
    ['山田\u3000太郎', ['山田 太郎', '太郎']],
    ['\u{1f468}\u200d\u{1f469}\u200d\u{1f467}', ['\u{1f469}', '\u{1f468}\u200d\u{1f469}']],
  ])('finds %s however it is written', async (name, searches) => {
    const user = await signUp(app, { name: name.normalize('NFD') });
    expect(user.name).toBe(name.normalize('NFC'));
    for (const search of searches) expect([search, await found(search)]).toEqual([search, expect.arrayContaining([user.name])]);
    await asAdmin(app).changeName({ userId: user.id, name: 'Somebody else' });
    for (const search of searches) expect(await found(search)).not.toContain(user.name);
  });

  it('finds nothing across name and address, and takes a search of white space for none', async () => {
    const { email } = await signUp(app, { name: 'Over Thefence' });
    const all = (await found('')).length;
    for (const search of [' ', '\n', '\u00a0']) expect(await found(search)).toHaveLength(all);
    for (const search of [`Thefence\n${email}`, `thefence ${email}`, `thefence${email}`]) {
      const names = await list()
        .listUsers({ search }, strong)
        .then(({ users }) => users.length)
        .catch(() => 'refused');
      expect([0, 'refused']).toContain(names);
    }
    expect(await found(` ${email.toUpperCase()} `)).toEqual(['Over Thefence']);
  });

  it('holds an address in any case for the same', async () => {
    const user = await signUp(app, { email: 'Filiz.IRMAK@example.org' });
    for (const email of ['filiz.irmak@example.org', 'FILIZ.IRMAK@EXAMPLE.ORG', ' Filiz.Irmak@example.org ']) {
      expect((await list().findUserByEmail({ email }, strong)).user?.id).toBe(user.id);
      expect(await logIn(app, { email })).toBeTruthy();
      expect(await refusalOf(signUp(app, { email }))).toMatchObject({ reason: 'EMAIL_TAKEN' });
    }
    const inserted = app.database.query(
      `insert into users."user" (id, email, name, status, roles, created_at, updated_at, session_epoch, version)
       select gen_random_uuid(), lower(email collate "C"), name, status, roles, created_at, updated_at, 1, 1 from users."user" where id = $1`,
      [user.id],
    );
    await expect(inserted).rejects.toMatchObject({ constraint: 'user_email_key' });
  });

  it('sorts names by their letters, then by accents unseen, in the same order everywhere', async () => {
    const inOrder = [
      'Zz Ada',
      'Zz Elvis',
      'Zz Émile',
      'Zz ILGAZ',
      'Zz Öz',
      'Zz Übel',
      'Zz zoe',
      'Zz Ωμέγα',
      'Zz Жанна',
      'Zz 山田',
    ];
    for (const name of inOrder.toReversed()) await signUp(app, { name });
    for (const orderBy of ['name', '  name\tasc ']) {
      const { users } = await list().listUsers({ search: 'zz ', orderBy, pageSize: 1000 }, strong);
      expect(users.map(({ name }) => name).filter((name) => name.startsWith('Zz '))).toEqual(inOrder);
    }
    const paged: string[] = [];
    for (let pageToken = ''; ; ) {
      const page = await list().listUsers({ search: 'zz ', orderBy: 'name  desc', pageSize: 3, pageToken }, strong);
      paged.push(...page.users.map(({ name }) => name));
      pageToken = page.nextPageToken;
      if (!pageToken) break;
    }
    expect(paged.filter((name) => name.startsWith('Zz '))).toEqual(inOrder.toReversed());
  });

  it('counts a password after it is composed, and logs in by it however it is typed', async () => {
    const phrase = 'ấ'.repeat(20).concat(' mười lăm chữ');
    const { email } = await signUp(app, { password: phrase.normalize('NFD').concat('x') });
    expect(await logIn(app, { email }, phrase.concat('x').normalize('NFC'))).toBeTruthy();
    expect(await logIn(app, { email }, phrase.concat('x').normalize('NFD'))).toBeTruthy();
    const long = 'lĩnh vực ổn định của những điều ấy'.repeat(3);
    const { email: other } = await signUp(app, { password: long.normalize('NFD') });
    expect(long.normalize('NFD').length).toBeGreaterThan(128);
    expect(await logIn(app, { email: other }, long)).toBeTruthy();
    // One character that stands for eighteen, in five of them.
    const { email: third } = await signUp(app, { password: 'ﷺ'.repeat(5) });
    expect(await logIn(app, { email: third }, 'ﷺ'.repeat(5).normalize('NFKC'))).toBeTruthy();
  });

  it('refuses what is not seen, with the rule', async () => {
    const { changeName } = asAdmin(app);
    const { id: userId } = await signUp(app);
    for (const name of [' ', '\u200b', '\u3164', '\u0085', 'Alice\u202eeviL', 'A\u2028B']) {
      expect(await refusalOf(changeName({ userId, name }))).toMatchObject({
        reason: 'INVALID_REQUEST',
        fields: expect.arrayContaining(['name']),
      });
    }
  });
});

describe('an upgrade to text that is compared by the program', () => {
  it('composes the names that are there, keys them, and keys those that a program from before writes meanwhile', async () => {
    const app = await startTestApp();
    try {
      const names = ['José', 'Hauptstraße', 'Νικος', 'Ada  L', '한글'];
      const people = await Promise.all(names.map((name) => signUp(app, { name })));
      const before = await app.database.query(KEYS);
      const { Migration20261125140000ComparedText } = await import(
        '../../../src/modules/users/migrations/20261125140000-compared-text.ts'
      );
      const { Migration20261202100000PassedUsers } = await import(
        '../../../src/modules/users/migrations/20261202100000-passed-users.ts'
      );
      const { Migration20261203100000ShortPendingList } = await import(
        '../../../src/modules/users/migrations/20261203100000-short-pending-list.ts'
      );
      for (const Undone of [
        Migration20261203100000ShortPendingList,
        Migration20261202100000PassedUsers,
        Migration20261125140000ComparedText,
      ]) {
        const migration = new Undone({} as never, {} as never);
        migration.down();
        for (const sql of migration.getQueries()) await app.database.query(sql as string);
      }
      await app.database.query('drop table read.user_count, read.user_day, read.user_status');
      const again = (users.migrations ?? []).map(({ name }) => name).filter((name) => name >= '20261125140000-compared-text');
      await app.database.query('delete from cqrs.migration where name = any ($1)', [again]);
      for (const table of ['users."user"', 'read.user_directory'])
        await app.database.query(`update ${table} set name = normalize(name, nfd)`);

      await migrate(app.database.connections.owner, application.modules);
      expect(await app.database.query(KEYS)).toEqual(before);
      const stored = await app.database.query<{ name: string }>('select name from users."user" order by id');
      expect(stored.map(({ name }) => name).sort()).toEqual([...names].sort());

      // What version 0.1 writes.
      const { id, email } = people[0] ?? { id: '', email: '' };
      await app.database.query(
        `insert into read.user_directory (id, email, name, status, roles, created_at, updated_at, version)
        values ($1, $2, 'Grace', 'active', '{}', now(), now(), 2) on conflict (id) do update set name = excluded.name`,
        [id, email],
      );
      await app.database.query(`insert into read.user_directory (id, email, name, status, roles, created_at, updated_at, version)
        values (gen_random_uuid(), 'IDA@example.org', 'Ida', 'active', '{}', now(), now(), 1)`);
      expect(await app.database.query(`${KEYS.replace('order', `where name in ('Grace', 'Ida') order`)}`)).toEqual([
        { name: 'Grace', name_key: 'grace', search_text: `grace\n${email}` },
        { name: 'Ida', name_key: 'ida', search_text: 'ida\nida@example.org' },
      ]);
      // A newer one keeps its own keys.
      await asAdmin(app).changeName({ userId: people[1]?.id ?? '', name: 'HAUPTSTRASSE' });
      expect(await app.database.query(`${KEYS.replace('order', `where name = 'HAUPTSTRASSE' order`)}`)).toMatchObject([
        { name_key: sortedText('Hauptstraße'), search_text: expect.stringMatching(`^${foldedText('HAUPTSTRASSE')}\n`) },
      ]);
    } finally {
      await app.stop();
    }
  });
});

const KEYS = 'select name, name_key, search_text from read.user_directory order by name';
