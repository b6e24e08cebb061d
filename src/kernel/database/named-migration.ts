import type { Migration } from '@mikro-orm/migrations';

/** A change of the schema. One that has shipped is never edited. */
export interface NamedMigration {
  /** A time and what it is about: `20261201093000-orders`. Migrations of all modules run in the order of their names. */
  readonly name: string;
  readonly class: new (...parts: ConstructorParameters<typeof Migration>) => Migration;
}
