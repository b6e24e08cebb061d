import { Migration } from '@mikro-orm/migrations';

/** Records of commands that reactors sent name their cause, and the first command of their chain. */
export class Migration20261130130000Causes extends Migration {
  override up(): void {
    // Null in records from before, whose seals do not cover them, and in those of commands that nothing caused.
    this.addSql('alter table cqrs.command_log add column causation_id uuid, add column correlation_id uuid');
    this.addSql(
      'create index command_log_correlation on cqrs.command_log (correlation_id, received_at) where correlation_id is not null',
    );
    // A program from before that still runs cannot seal records without the columns; what it leaves, a newer one seals.
    this.addSql('alter table cqrs.command_seal_batch drop constraint command_seal_batch_form');
    this.addSql('alter table cqrs.command_seal_batch add constraint command_seal_batch_form check (form >= 4) not valid');
  }

  override down(): void {
    this.addSql('alter table cqrs.command_seal_batch drop constraint command_seal_batch_form');
    this.addSql('alter table cqrs.command_seal_batch add constraint command_seal_batch_form check (form >= 3) not valid');
    this.addSql('alter table cqrs.command_log drop column causation_id, drop column correlation_id');
  }
}
