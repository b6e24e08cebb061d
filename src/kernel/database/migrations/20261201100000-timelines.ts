import { Migration } from '@mikro-orm/migrations';

/** The timelines of the primary's log: by these, a token tells of a state that this database has, or that a failover has lost. */
export class Migration20261201100000Timelines extends Migration {
  override up(): void {
    // Rows are added by whoever sees the primary on a timeline first, and never changed. A standby has the row of the timeline that it follows, which a
    // standby of the old primary lacks. `began_at` is the end of what the promoted server had of the timeline before; null is unknown.
    this.addSql(`create table cqrs.timeline (
      system_identifier bigint not null,
      timeline bigint not null,
      began_at pg_lsn,
      seen_at timestamptz(3) not null default now(),
      primary key (system_identifier, timeline)
    )`);
    this.addSql(`insert into cqrs.timeline (system_identifier, timeline)
      select system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint from pg_control_system()`);
    this.addSql('grant select, insert on cqrs.timeline to bicameral_writer');
    this.addSql('grant select on cqrs.timeline to bicameral_reader');
  }

  override down(): void {
    this.addSql('drop table cqrs.timeline');
  }
}
