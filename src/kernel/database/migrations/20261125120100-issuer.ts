import { Migration } from '@mikro-orm/migrations';

/** Records say who vouched for the principal, and batches in which form they are sealed. */
export class Migration20261125120100Issuer extends Migration {
  override up(): void {
    // Null in records from before: their seals do not cover it.
    this.addSql('alter table cqrs.command_log add column issuer text');
    this.addSql('alter table cqrs.command_seal_batch add column form smallint not null default 1');
    // A program from before that still runs cannot seal records without the column; what it leaves, a newer one seals.
    this.addSql('alter table cqrs.command_seal_batch add constraint command_seal_batch_form check (form >= 2) not valid');
  }

  override down(): void {
    this.addSql('alter table cqrs.command_seal_batch drop column form');
    this.addSql('alter table cqrs.command_log drop column issuer');
  }
}
