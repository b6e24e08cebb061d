import { Migration } from '@mikro-orm/migrations';

/** A table that is made in the schema of the read models from now on has the rights that a read model needs. */
export class Migration20261130000000ReadModels extends Migration {
  override up(): void {
    this.addSql('alter default privileges in schema read grant select, insert, update, delete on tables to bicameral_writer');
    this.addSql('alter default privileges in schema read grant select on tables to bicameral_reader');
    this.addSql('alter default privileges in schema read grant usage on sequences to bicameral_writer');
  }

  override down(): void {
    this.addSql('alter default privileges in schema read revoke all on tables from bicameral_writer, bicameral_reader');
    this.addSql('alter default privileges in schema read revoke all on sequences from bicameral_writer');
  }
}
