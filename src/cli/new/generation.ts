import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ChangeSet } from './change-set.ts';
import { GeneratorError } from './generator-error.ts';
import { inSurroundings } from './imports.ts';
import { secondsLater, stampAfter } from './migration-stamp.ts';
import type { Name } from './name.ts';
import { renaming } from './renaming.ts';
import type { Surroundings } from './surroundings.ts';
import { templateFile } from './template.ts';

/** A generator at work: where, what it changes, and what it tells at the end. */
export class Generation {
  readonly surroundings: Surroundings;
  readonly changes: ChangeSet;
  /** What is left to do, each in a sentence. */
  readonly next: string[] = [];
  /** In front of the names of the migrations that it makes. */
  readonly stamp: string;

  constructor(surroundings: Surroundings, now: Date) {
    this.surroundings = surroundings;
    this.changes = new ChangeSet(surroundings.root);
    this.stamp = stampAfter(surroundings.root, now);
  }

  /** A file of the template under its new name. `prepared` is what is made of its text before. */
  fromTemplate(path: string, names: readonly (readonly [Name, Name])[], prepared: string = templateFile(path)): void {
    const renamed = this.renamer(names);
    const target = renamed(path);
    const text = inSurroundings(renamed(prepared), target, this.surroundings);
    for (const [, table = ''] of text.matchAll(/\bcreate table (read\.\w+)/g)) this.#refuseTaken(table);
    this.changes.create(target, text);
  }

  /** All modules have their read models in one schema. */
  #refuseTaken(table: string): void {
    const { root } = this.surroundings;
    const taken = globSync('src/modules/*/migrations/*.ts', { cwd: root }).find((path) =>
      new RegExp(`\\bcreate table ${table}\\b`).test(readFileSync(join(root, path), 'utf8')),
    );
    if (taken !== undefined)
      throw new GeneratorError(`${taken} makes a table ${table} already, and nothing was written: give another name.`);
  }

  /** Renames what the template calls things, and dates its migrations. */
  renamer(names: readonly (readonly [Name, Name])[]): (text: string) => string {
    const rename = renaming(names);
    return (text) => rename(text).replace(/2026113000000(\d)/g, (_, nth: string) => secondsLater(this.stamp, Number(nth)));
  }

  /**
   * Changes a file by `insert`, which returns undefined when the place is not found. Then the file stays, and what a person has to put in
   * is told.
   */
  insert(path: string, { what, text }: { what: string; text: string }, insert: (source: string) => string | undefined): void {
    this.changes.edit(path, (source) => {
      const changed = insert(source);
      if (changed === undefined) this.changes.byHand.push({ path, what, text });
      return changed ?? source;
    });
  }
}
