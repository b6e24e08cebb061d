import { createHash } from 'node:crypto';
import { existsSync, type FSWatcher, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';

/** Editors and generators write in several steps, in milliseconds. */
const SETTLED_AFTER = 40;

/** Content, by path. */
type Files = ReadonlyMap<string, string>;

/** The files below some folders, and which of them are other than they were. Times do not matter, only content. */
export class WatchedFiles {
  readonly #folders: readonly string[];
  readonly #watchers = new Map<string, FSWatcher>();
  #known: Files;
  #isUnwatched = false;
  #settling: NodeJS.Timeout | undefined;
  #changed: string[] = [];
  #heard = Promise.withResolvers<void>();

  constructor(folders: readonly string[]) {
    this.#folders = folders;
    this.#watchAll();
    this.#known = this.#read();
  }

  /** The paths that changed, came or went since the last call, as soon as there are some. */
  async changes(): Promise<readonly string[]> {
    while (this.#changed.length === 0) await this.#heard.promise;
    return this.#changed.splice(0);
  }

  /** What is done meanwhile is no change, but of files that fit: those somebody wrote. */
  async unwatched<T>(work: () => Promise<T>, counts: (path: string) => boolean): Promise<T> {
    this.#isUnwatched = true;
    try {
      return await work();
    } finally {
      this.#isUnwatched = false;
      this.#tell(this.#difference().filter(counts));
    }
  }

  close(): void {
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers.values()) watcher.close();
  }

  /** Each folder by itself: watching what lies below it misses files in folders that are new. */
  #watchAll(): void {
    for (const folder of this.#folders.filter(existsSync).flatMap(withFoldersBelow)) {
      if (this.#watchers.has(folder)) continue;
      const watcher = watch(folder, () => this.#settle());
      // It is gone; its parent says so as well.
      watcher.on('error', () => this.#settle());
      this.#watchers.set(folder, watcher);
    }
  }

  #settle(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      for (const [folder, watcher] of this.#watchers) {
        if (existsSync(folder)) continue;
        watcher.close();
        this.#watchers.delete(folder);
      }
      this.#watchAll();
      if (!this.#isUnwatched) this.#tell(this.#difference());
    }, SETTLED_AFTER);
  }

  #tell(paths: readonly string[]): void {
    if (paths.length === 0) return;
    this.#changed.push(...paths.filter((path) => !this.#changed.includes(path)));
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  #difference(): string[] {
    const before = this.#known;
    this.#known = this.#read();
    const paths = new Set([...before.keys(), ...this.#known.keys()]);
    return [...paths].filter((path) => before.get(path) !== this.#known.get(path));
  }

  #read(): Files {
    const files = new Map<string, string>();
    for (const folder of this.#watchers.keys()) {
      for (const entry of entriesOf(folder)) {
        const path = join(folder, entry.name);
        if (entry.isFile()) files.set(path, digestOf(path));
      }
    }
    return files;
  }
}

function withFoldersBelow(folder: string): string[] {
  const below = entriesOf(folder).filter((entry) => entry.isDirectory());
  return [folder, ...below.flatMap(({ name }) => withFoldersBelow(join(folder, name)))];
}

/** None of a folder that is gone meanwhile; the same for a file. */
function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function digestOf(path: string): string {
  try {
    return createHash('sha1').update(readFileSync(path)).digest('base64');
  } catch {
    return '';
  }
}
