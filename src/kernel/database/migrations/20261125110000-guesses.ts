import { Migration } from '@mikro-orm/migrations';

/** Guesses are told apart by who makes them, a secret sent under an idempotency key is kept as a slow hash, and personal data have an owner. */
export class Migration20261125110000Guesses extends Migration {
  override up(): void {
    // pending: guesses whose outcome nobody knows yet. account: of the guesses of one client, what they are guesses at.
    this.addSql('alter table cqrs.guess add column pending integer not null default 0, add column account bytea');
    this.addSql('create index guess_account on cqrs.guess (account) where account is not null');

    // Which clients have made a right guess before, by keyed digests: see middleware/guess-limit.ts.
    this.addSql(`create table cqrs.known_client (
      account bytea not null,
      client bytea not null,
      last_at timestamptz not null,
      primary key (account, client)
    )`);
    this.addSql('create index known_client_last on cqrs.known_client (last_at)');

    // The fingerprints of before were fast digests of requests with passwords in them, and the keys of anonymous callers had no scope.
    this.addSql('alter table cqrs.idempotency_key add column secret text');
    this.addSql(`delete from cqrs.idempotency_key
      where method in ('users.v1.CommandService/CreateUser', 'users.v1.CommandService/ChangePassword')`);

    // Whose personal data a record holds that is about no aggregate: see postgres/command-log/personal-owner.ts.
    this.addSql(`create table cqrs.personal_owner (
      owner bytea not null,
      received_at timestamptz(3) not null,
      command_id uuid not null,
      primary key (owner, received_at, command_id)
    )`);
    this.addSql('create index personal_owner_received on cqrs.personal_owner (received_at)');

    this.addSql('grant select, insert, update, delete on cqrs.known_client, cqrs.personal_owner to bicameral_writer');
  }

  override down(): void {
    this.addSql('drop table cqrs.known_client, cqrs.personal_owner');
    this.addSql('alter table cqrs.idempotency_key drop column secret');
    this.addSql('alter table cqrs.guess drop column pending, drop column account');
  }
}
