import { Migration } from '@mikro-orm/migrations';

/** What changes, and why. Once it has run anywhere but here, write another one instead of changing it. */
export class Migration20261130000003AnotherChange extends Migration {
  override up(): void {
    // this.addSql('alter table farm_shop."…" add column …');
  }

  override down(): void {
    // What takes it back.
  }
}
