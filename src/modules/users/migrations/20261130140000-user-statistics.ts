import { Migration } from '@mikro-orm/migrations';

/** How many users there are and what happened day by day: the tables of the projection `user_statistics`. */
export class Migration20261130140000UserStatistics extends Migration {
  override up(): void {
    this.addSql('create table read.user_count (status text primary key, users bigint not null)');
    this.addSql(`create table read.user_day (
      day date primary key,
      sign_ups bigint not null,
      log_ins bigint not null
    )`);
    this.addSql('create table read.user_status (user_id uuid primary key, status text not null)');
    this.addSql('revoke all on read.user_count, read.user_day, read.user_status from bicameral_writer');
    this.addSql('grant select, insert, update on read.user_count, read.user_day, read.user_status to bicameral_writer');
  }

  override down(): void {
    this.addSql('drop table read.user_count, read.user_day, read.user_status');
  }
}
