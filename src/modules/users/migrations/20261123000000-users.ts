import { Migration } from '@mikro-orm/migrations';

/** The write model of users, and their inline read models. */
export class Migration20261123000000Users extends Migration {
  override up(): void {
    this.addSql('create extension if not exists pg_trgm');

    this.addSql('create schema if not exists users');
    this.addSql(`create table users."user" (
      id uuid primary key,
      email text,
      name text not null,
      password_hash text,
      status text not null check (status in ('active', 'suspended', 'deleted')),
      roles text[] not null,
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      last_login_at timestamptz(3),
      session_epoch integer not null,
      kept_session uuid,
      version integer not null,
      writes integer not null default 1,
      check ((status = 'deleted') = (email is null))
    )`);
    this.addSql('create unique index user_email_key on users."user" (lower(email))');
    this.addSql(`create index user_admin on users."user" (id) where roles @> '{admin}'`);

    this.addSql('create schema if not exists read');
    this.addSql(`create table read.user_directory (
      id uuid primary key,
      email text not null,
      name text not null,
      status text not null,
      roles text[] not null,
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      last_login_at timestamptz(3),
      version integer not null,
      search_text text not null generated always as (lower(name || E'\\n' || email)) stored
    ) with (fillfactor = 90)`);
    this.addSql('create index user_directory_created on read.user_directory (created_at, id)');
    this.addSql('create index user_directory_email on read.user_directory (lower(email), id)');
    this.addSql('create index user_directory_name on read.user_directory (lower(name), id)');
    // Users who are not active are few: an order of theirs alone costs the others nothing.
    const rare = `where status <> 'active'`;
    this.addSql(`create index user_directory_rare_created on read.user_directory (status, created_at, id) ${rare}`);
    this.addSql(`create index user_directory_rare_email on read.user_directory (status, lower(email), id) ${rare}`);
    this.addSql(`create index user_directory_rare_name on read.user_directory (status, lower(name), id) ${rare}`);
    this.addSql('create index user_directory_search on read.user_directory using gin (search_text gin_trgm_ops)');

    this.addSql(`create table read.ended_session (
      user_id uuid primary key,
      epoch integer not null,
      kept_session uuid,
      ended_at timestamptz not null,
      transaction_id xid8 not null
    )`);
    this.addSql('create index ended_session_transaction on read.ended_session (transaction_id)');
    this.addSql('create index ended_session_time on read.ended_session (ended_at)');

    this.addSql('grant usage on schema users, read to bicameral_writer');
    this.addSql(
      'grant select, insert, update, delete on users."user", read.user_directory, read.ended_session to bicameral_writer',
    );
    this.addSql('grant usage on schema read to bicameral_reader');
    this.addSql('grant select on read.user_directory, read.ended_session to bicameral_reader');
  }

  override down(): void {
    this.addSql('drop table read.user_directory, read.ended_session');
    this.addSql('drop schema users cascade');
  }
}
