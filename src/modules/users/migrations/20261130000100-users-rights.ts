import { Migration } from '@mikro-orm/migrations';

/** What the writer may do with the tables of this module, in full: less than what tables of modules are made with. */
export class Migration20261130000100UsersRights extends Migration {
  override up(): void {
    this.addSql('alter default privileges in schema users grant select, insert, update, delete on tables to bicameral_writer');
    this.addSql('alter default privileges in schema users grant usage on sequences to bicameral_writer');
    this.addSql(
      'revoke all on users."user", users.session, read.user_directory, read.ended_session, read.closed_session from bicameral_writer',
    );
    // Users are never removed: what is personal in them is emptied.
    this.addSql('grant select, insert, update on users."user", read.user_directory to bicameral_writer');
    this.addSql('grant select, insert, delete on users.session, read.closed_session to bicameral_writer');
    this.addSql('grant update (epoch, current, used_at) on users.session to bicameral_writer');
    this.addSql('grant select, insert, update, delete on read.ended_session to bicameral_writer');
  }

  override down(): void {
    this.addSql('grant delete on users."user", read.user_directory to bicameral_writer');
  }
}
