import { Migration } from '@mikro-orm/migrations';

/** The schemas, the write model of users, their inline read models, and the event table. */
export class Migration20261123000000Users extends Migration {
  override up(): void {
    this.addSql('create extension if not exists pg_trgm');

    this.addSql('create schema users');
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

    this.addSql(`create table cqrs.event (
      position bigint generated always as identity primary key,
      transaction_id xid8 not null default pg_current_xact_id(),
      id uuid not null unique,
      type text not null,
      payload bytea not null,
      personal bytea,
      aggregate_type text not null,
      aggregate_id uuid not null,
      aggregate_version integer not null,
      command_id uuid not null,
      traceparent text not null,
      occurred_at timestamptz(3) not null
    )`);
    this.addSql('create index event_aggregate on cqrs.event (aggregate_id, position)');

    this.addSql('create schema read');
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

    this.addSql('grant usage on schema users, cqrs, read to bicameral_writer');
    this.addSql('grant select, insert, update, delete on all tables in schema users, cqrs, read to bicameral_writer');
    this.addSql('grant usage on schema read, cqrs to bicameral_reader');
    this.addSql('grant select on all tables in schema read to bicameral_reader');
    this.addSql('grant select on cqrs.event to bicameral_reader');
  }

  override down(): void {
    this.addSql('drop schema read cascade');
    this.addSql('drop table cqrs.event');
    this.addSql('drop schema users cascade');
  }
}
