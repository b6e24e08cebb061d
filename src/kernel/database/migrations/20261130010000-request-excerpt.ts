import { Migration } from '@mikro-orm/migrations';

/** Records say whether they hold the whole request. */
export class Migration20261130010000RequestExcerpt extends Migration {
  override up(): void {
    // Null in records from before: their seals do not cover it.
    this.addSql('alter table cqrs.command_log add column request_excerpt boolean');
    // A program from before that still runs cannot seal records without the column; what it leaves, a newer one seals.
    this.addSql('alter table cqrs.command_seal_batch drop constraint command_seal_batch_form');
    this.addSql('alter table cqrs.command_seal_batch add constraint command_seal_batch_form check (form >= 3) not valid');
  }

  override down(): void {
    this.addSql('alter table cqrs.command_seal_batch drop constraint command_seal_batch_form');
    this.addSql('alter table cqrs.command_seal_batch add constraint command_seal_batch_form check (form >= 2) not valid');
    this.addSql('alter table cqrs.command_log drop column request_excerpt');
  }
}
