import { Migration } from '@mikro-orm/migrations';
import { foldedText, sortedText } from '../../../kernel/bus/folded-text.ts';

const BATCH = 1000;
/** The locale of the database has no say in it. */
const ASCII_LOWER = (text: string): string => `lower(regexp_replace(${text}, ' +', ' ', 'g') collate "C")`;

/**
 * Text is compared and sorted alike whatever the locale of the database: e-mail addresses are ASCII, and names are folded by the program,
 * which stores what they are found and sorted by. Names are composed (NFC).
 *
 * An instance of a program from before goes on meanwhile: a trigger fills what it does not know of by what the database can say, until
 * a newer one writes the user. Its searches and log-ins read more rows than before.
 */
export class Migration20261125140000ComparedText extends Migration {
  override async up(): Promise<void> {
    for (const name of ['email', 'name', 'rare_email', 'rare_name', 'search']) {
      await this.execute(`drop index read.user_directory_${name}`);
    }
    await this.execute('drop index users.user_email_key');
    await this.execute('create unique index user_email_key on users."user" (lower(email collate "C"))');

    for (const table of ['users."user"', 'read.user_directory']) {
      await this.execute(`update ${table} set name = normalize(name, nfc) where name is not nfc normalized`);
    }
    await this.execute('alter table read.user_directory alter column search_text drop expression');
    await this.execute('alter table read.user_directory alter column search_text type text collate "C"');
    await this.execute('alter table read.user_directory add column name_key text collate "C"');
    // As many bytes as characters: all of them are ASCII.
    await this.execute(`update read.user_directory
      set name_key = ${ASCII_LOWER('name')}, search_text = ${ASCII_LOWER(`name || E'\\n' || email`)}
      where octet_length(name) = length(name)`);
    await this.#keyOthers();
    await this.execute('alter table read.user_directory alter column name_key set not null');

    const rare = `where status <> 'active'`;
    const email = 'lower(email collate "C")';
    await this.execute(`create index user_directory_email on read.user_directory (${email}, id)`);
    await this.execute('create index user_directory_name on read.user_directory (name_key, id)');
    await this.execute(`create index user_directory_rare_email on read.user_directory (status, ${email}, id) ${rare}`);
    await this.execute(`create index user_directory_rare_name on read.user_directory (status, name_key, id) ${rare}`);
    await this.execute('create index user_directory_search on read.user_directory using gin (search_text gin_trgm_ops)');

    await this.execute(`create function read.key_user() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
      begin
        new.name_key := lower(normalize(new.name));
        new.search_text := lower(normalize(new.name) || E'\\n' || new.email);
        return new;
      end $$`);
    await this.execute(`create trigger key_new_user before insert on read.user_directory
      for each row when (new.name_key is null) execute function read.key_user()`);
    await this.execute(`create trigger key_changed_user before update on read.user_directory
      for each row when (new.search_text is not distinct from old.search_text and new.name_key is not distinct from old.name_key
        and (lower(new.name) <> lower(old.name) or ${email.replace('email', 'new.email')} <> ${email.replace('email', 'old.email')}))
      execute function read.key_user()`);
  }

  async #keyOthers(): Promise<void> {
    let after = '00000000-0000-0000-0000-000000000000';
    for (;;) {
      const rows = (await this.execute(
        `select id, name, email from read.user_directory where id > ?::uuid and name_key is null order by id limit ${BATCH}`,
        [after],
      )) as { id: string; name: string; email: string }[];
      const keyed = rows.map(({ id, name, email }) => ({
        id,
        name_key: sortedText(name),
        search_text: `${foldedText(name)}\n${foldedText(email)}`,
      }));
      await this.execute(
        `update read.user_directory as row set name_key = keyed.name_key, search_text = keyed.search_text
         from json_to_recordset(?::json) as keyed (id uuid, name_key text, search_text text) where row.id = keyed.id`,
        [JSON.stringify(keyed)],
      );
      if (rows.length < BATCH) return;
      after = rows.at(-1)?.id ?? after;
    }
  }

  override down(): void {
    this.addSql('drop trigger key_new_user on read.user_directory');
    this.addSql('drop trigger key_changed_user on read.user_directory');
    this.addSql('drop function read.key_user');
    for (const name of ['email', 'name', 'rare_email', 'rare_name', 'search']) {
      this.addSql(`drop index read.user_directory_${name}`);
    }
    this.addSql('alter table read.user_directory drop column name_key, drop column search_text');
    this.addSql(`alter table read.user_directory
      add column search_text text not null generated always as (lower(name || E'\\n' || email)) stored`);
    const rare = `where status <> 'active'`;
    this.addSql('create index user_directory_email on read.user_directory (lower(email), id)');
    this.addSql('create index user_directory_name on read.user_directory (lower(name), id)');
    this.addSql(`create index user_directory_rare_email on read.user_directory (status, lower(email), id) ${rare}`);
    this.addSql(`create index user_directory_rare_name on read.user_directory (status, lower(name), id) ${rare}`);
    this.addSql('create index user_directory_search on read.user_directory using gin (search_text gin_trgm_ops)');
    this.addSql('drop index users.user_email_key');
    this.addSql('create unique index user_email_key on users."user" (lower(email))');
  }
}
