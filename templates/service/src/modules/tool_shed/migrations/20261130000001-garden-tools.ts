import { Migration } from '@mikro-orm/migrations';

/** Garden tools, and what is read of them. */
export class Migration20261130000001GardenTools extends Migration {
  override up(): void {
    this.addSql(`create table tool_shed."garden_tool" (
      id uuid primary key,
      name text not null,
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      version integer not null,
      writes integer not null default 1
    )`);
    this.addSql(`create table read.garden_tool_list (
      id uuid primary key,
      name text not null,
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      version integer not null
    )`);
    this.addSql('create index garden_tool_list_created on read.garden_tool_list (created_at, id)');
  }

  override down(): void {
    this.addSql('drop table read.garden_tool_list');
    this.addSql('drop table tool_shed."garden_tool"');
  }
}
