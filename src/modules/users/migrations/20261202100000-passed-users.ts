import { Migration } from '@mikro-orm/migrations';

const INDEXES = ['created', 'email', 'name'] as const;
const KEYS = { created: 'created_at', email: 'lower(email collate "C")', name: 'name_key' } as const;

/**
 * A search that passes over users in their order reads the index alone: it has what they are searched by. The address stands beside its key, because PostgreSQL
 * takes the value of an expression from an index only where it could compute it (PostgreSQL manual 11.9).
 */
export class Migration20261202100000PassedUsers extends Migration {
  override up(): void {
    this.#index(
      ({ email }) => `include (status, search_text${email ? ', email' : ''})`,
      ({ email }) => `include (search_text${email ? ', email' : ''})`,
    );
  }

  override down(): void {
    this.#index(
      () => '',
      () => '',
    );
  }

  #index(included: Included, includedOfFew: Included): void {
    for (const name of INDEXES) {
      const of = { email: name === 'email' };
      this.addSql(`drop index read.user_directory_${name}`);
      this.addSql(`create index user_directory_${name} on read.user_directory (${KEYS[name]}, id) ${included(of)}`);
      this.addSql(`drop index read.user_directory_rare_${name}`);
      this.addSql(`create index user_directory_rare_${name} on read.user_directory (status, ${KEYS[name]}, id) ${includedOfFew(of)}
        where status <> 'active'`);
    }
  }
}

type Included = (index: { readonly email: boolean }) => string;
