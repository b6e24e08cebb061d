import { Migration } from '@mikro-orm/migrations';

/** A read model of garden tools. */
export class Migration20261130000002GardenToolOverview extends Migration {
  override up(): void {
    this.addSql(`create table read.garden_tool_overview (
      id uuid primary key,
      version integer not null
    )`);
    // What is there already gets its row.
    this.addSql(`insert into read.garden_tool_overview (id, version) select id, version from tool_shed."garden_tool"`);
  }

  override down(): void {
    this.addSql('drop table read.garden_tool_overview');
  }
}
