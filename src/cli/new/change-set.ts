import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatted } from './formatted.ts';
import { GeneratorError } from './generator-error.ts';
import { unifiedDiff } from './unified-diff.ts';

/** What a generator is about to write. Nothing is on the disk before `write`, so that all of it can be shown, or refused, first. */
export class ChangeSet {
  readonly #root: string;
  readonly #files = new Map<string, { readonly before: string | undefined; after: string }>();
  /** What a person has to put in by hand, because its place was not found. */
  readonly byHand: { readonly path: string; readonly what: string; readonly text: string }[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  get paths(): readonly string[] {
    return [...this.#files].filter(([, { before, after }]) => before !== after).map(([path]) => path);
  }

  isNew(path: string): boolean {
    return this.#files.get(path)?.before === undefined;
  }

  /** The file as it will be; undefined when there is none. */
  read(path: string): string | undefined {
    return this.#files.get(path)?.after ?? this.#onDisk(path);
  }

  /** A file that must not be there yet. Throws GeneratorError. */
  create(path: string, text: string): void {
    if (this.read(path) !== undefined) throw new AlreadyThere(path);
    this.#files.set(path, { before: undefined, after: text });
  }

  edit(path: string, change: (text: string) => string): void {
    const before = this.#files.get(path)?.before ?? this.#onDisk(path);
    const current = this.read(path);
    if (current === undefined) throw new GeneratorError(`${path} is missing: is this module made by \`bicameral new module\`?`);
    this.#files.set(path, { before, after: change(current) });
  }

  /** Lays out all that changes as the service's own tools do. */
  format(): void {
    for (const path of this.paths) {
      const file = this.#files.get(path);
      if (file) file.after = formatted(this.#root, path, file.after);
    }
  }

  diff(): string {
    return [...this.#files].map(([path, { before, after }]) => unifiedDiff(path, before, after)).join('');
  }

  write(): void {
    for (const path of this.paths) {
      mkdirSync(dirname(join(this.#root, path)), { recursive: true });
      writeFileSync(join(this.#root, path), this.#files.get(path)?.after ?? '');
    }
  }

  #onDisk(path: string): string | undefined {
    const file = join(this.#root, path);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }
}

/** A file that would be overwritten. */
export class AlreadyThere extends GeneratorError {
  constructor(path: string) {
    super(`${path} is there already, and nothing was written: give another name, or take the file away first.`);
  }
}
