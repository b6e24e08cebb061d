import { Migration } from '@mikro-orm/migrations';

/** Jam jars, and their read model. */
export class Migration20261130000001JamJars extends Migration {
  override up(): void {
    this.addSql(`create table farm_shop."jam_jar" (
      id uuid primary key,
      name text not null,
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      version integer not null,
      writes integer not null default 1
    )`);
    this.addSql(`create table read.jam_jar_list (
      id uuid primary key,
      name text not null,
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      version integer not null
    )`);
    this.addSql('create index jam_jar_list_created on read.jam_jar_list (created_at, id)');
  }

  override down(): void {
    this.addSql('drop table read.jam_jar_list');
    this.addSql('drop table farm_shop."jam_jar"');
  }
}
