import { Migration } from '@mikro-orm/migrations';

/** A read model of jam jars. */
export class Migration20261130000002JamJarOverview extends Migration {
  override up(): void {
    this.addSql(`create table read.jam_jar_overview (
      id uuid primary key,
      version integer not null
    )`);
    // Every existing jam jar gets its row.
    this.addSql(`insert into read.jam_jar_overview (id, version) select id, version from farm_shop."jam_jar"`);
  }

  override down(): void {
    this.addSql('drop table read.jam_jar_overview');
  }
}
