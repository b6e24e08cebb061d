import { Migration } from '@mikro-orm/migrations';

/**
 * Every search reads the whole list of entries that are not yet in the index of trigrams (PostgreSQL manual, GIN Fast Update Technique). By default it grows to 4 MB, and reading it
 * takes longer than the search itself.
 */
export class Migration20261203100000ShortPendingList extends Migration {
  override up(): void {
    this.addSql('alter index read.user_directory_search set (gin_pending_list_limit = 256)');
  }

  override down(): void {
    this.addSql('alter index read.user_directory_search reset (gin_pending_list_limit)');
  }
}
