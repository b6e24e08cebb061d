import { Migration } from '@mikro-orm/migrations';

/** Sessions that can be gone on with by a refresh token, and those that ended one by one. */
export class Migration20261125100000Sessions extends Migration {
  override up(): void {
    // Digests only: what is in the table opens nothing. `family` is of the part of a refresh token that stays, `current` of the one that changes.
    this.addSql(`create table users.session (
      id uuid primary key,
      user_id uuid not null,
      epoch integer not null,
      family bytea not null,
      current bytea not null,
      authenticated_at timestamptz(3) not null,
      used_at timestamptz(3) not null
    )`);
    this.addSql('create index session_used on users.session (used_at)');

    this.addSql(`create table read.closed_session (
      session_id uuid primary key,
      user_id uuid not null,
      ended_at timestamptz not null,
      transaction_id xid8 not null
    )`);
    this.addSql('create index closed_session_transaction on read.closed_session (transaction_id)');
    this.addSql('create index closed_session_time on read.closed_session (ended_at)');

    this.addSql('grant select, insert, delete on users.session, read.closed_session to bicameral_writer');
    this.addSql('grant update (epoch, current, used_at) on users.session to bicameral_writer');
    this.addSql('grant select on read.closed_session to bicameral_reader');
  }

  override down(): void {
    this.addSql('drop table users.session, read.closed_session');
  }
}
