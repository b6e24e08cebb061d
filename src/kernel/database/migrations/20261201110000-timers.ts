import { Migration } from '@mikro-orm/migrations';

/** What process managers remember, and commands that are sent at a time. */
export class Migration20261201110000Timers extends Migration {
  override up(): void {
    // The state of each process that goes on. Written with the checkpoint of its process manager, in one statement.
    this.addSql(`create table cqrs.process_state (
      process text not null,
      key text not null,
      state bytea not null,
      updated_at timestamptz(3) not null,
      primary key (process, key)
    )`);

    // Commands that are to be sent: set and cancelled with the checkpoint of whoever sets them, gone when they are done. \`claimed_by\` is the instance
    // that sends one now. \`refusals\` are those of its attempts that waiting does not cure; a few of them, and it has failed: it waits for somebody.
    this.addSql(`create table cqrs.timer (
      id uuid primary key,
      process text not null,
      process_key text not null,
      key text not null,
      method text not null,
      request bytea not null,
      accepts text[] not null,
      due_at timestamptz(3) not null,
      event_id uuid not null,
      correlation_id uuid not null,
      traceparent text not null,
      state text not null default 'waiting' check (state in ('waiting', 'failed')),
      attempts integer not null default 0,
      refusals integer not null default 0,
      error text,
      failing_since timestamptz(3),
      retry_at timestamptz(3),
      claimed_by uuid,
      unique (process, process_key, key)
    )`);
    this.addSql(`create index timer_due on cqrs.timer (greatest(due_at, retry_at)) where state = 'waiting'`);
    this.addSql(`create index timer_failed on cqrs.timer (due_at) where state = 'failed'`);

    this.addSql('grant select, insert, update, delete on cqrs.process_state, cqrs.timer to bicameral_writer');
    this.addSql('grant select on cqrs.process_state, cqrs.timer to bicameral_reader');
  }

  override down(): void {
    this.addSql('drop table cqrs.process_state, cqrs.timer');
  }
}
