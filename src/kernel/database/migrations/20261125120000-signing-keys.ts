import { Migration } from '@mikro-orm/migrations';

/** Which signing keys the database was used with, so that a lost one is missed. */
export class Migration20261125120000SigningKeys extends Migration {
  override up(): void {
    // The name of a key proves nothing: what verifies is the ring that the program is given. digest_key is the key of digests that are
    // looked up again, encrypted with the signing key; empty for a key that was given up. See src/kernel/auth/known-keys.ts.
    this.addSql(`create table cqrs.signing_key (
      key_id text primary key,
      digest_key bytea not null,
      known_since timestamptz not null default now(),
      forgotten_at timestamptz
    )`);
    this.addSql('revoke all on cqrs.signing_key from bicameral_writer, bicameral_reader');
    this.addSql('grant select, insert on cqrs.signing_key to bicameral_writer');
  }

  override down(): void {
    this.addSql('drop table cqrs.signing_key');
  }
}
