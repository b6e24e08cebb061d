/** What npm's lock file has to hold so that `npm ci` installs the same everywhere: https://docs.npmjs.com/cli/configuring-npm/package-lock-json */
export interface LockFile {
  readonly packages: Record<string, LockedPackage>;
}

export interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

/** A dependency that a locked package names, and that no entry of the lock file answers. */
export interface MissingEntry {
  /** The path of the package that names it, '' for the project itself. */
  readonly dependent: string;
  readonly name: string;
  readonly range: string;
}

/**
 * The dependencies without an entry. npm leaves an optional package out of the lock file while the registry does not serve it, and
 * `npm ci` refuses such a lock file wherever the registry does.
 */
export function missingEntries({ packages }: LockFile): MissingEntry[] {
  return Object.entries(packages).flatMap(([dependent, entry]) =>
    Object.entries(rangesOf(entry))
      .filter(([name]) => !isInstalled(packages, dependent, name))
      .map(([name, range]) => ({ dependent, name, range })),
  );
}

/** The lock file with the entries that `earlier` has for what is missing, where the same package asked for the same range. */
export function completed(lock: LockFile, earlier: LockFile): LockFile {
  const found = missingEntries(lock).flatMap(({ dependent, name, range }) => {
    const path = pathsAbove(dependent, name).find((candidate) => earlier.packages[candidate]);
    const entry = path && rangesOf(earlier.packages[dependent])[name] === range ? earlier.packages[path] : undefined;
    return path && entry ? [[path, entry] as const] : [];
  });
  if (found.length === 0) return lock;
  // In npm's own order, so that the difference to the lock file of before is what has changed.
  const packages = Object.entries({ ...lock.packages, ...Object.fromEntries(found) }).sort(([a], [b]) =>
    a.localeCompare(b, 'en'),
  );
  // What was put back has dependencies of its own.
  return completed({ ...lock, packages: Object.fromEntries(packages) }, earlier);
}

/** Entries that hold a package without its checksum, or that name the registry it came from. */
export function unportableEntries({ packages }: LockFile): string[] {
  return Object.entries(packages)
    .filter(([path, { integrity, resolved, link }]) => path !== '' && !link && (!integrity || resolved !== undefined))
    .map(([path]) => path);
}

const rangesOf = (entry: LockedPackage | undefined): Record<string, string> => ({
  ...entry?.dependencies,
  ...entry?.devDependencies,
  ...entry?.optionalDependencies,
});

const isInstalled = (packages: LockFile['packages'], dependent: string, name: string): boolean =>
  pathsAbove(dependent, name).some((path) => packages[path] !== undefined);

/** Where Node.js looks for a package, the nearest folder first. */
function pathsAbove(dependent: string, name: string): string[] {
  const paths: string[] = [];
  for (let folder = dependent; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1))) {
    paths.push(`${folder === '' ? '' : `${folder}/`}node_modules/${name}`);
    if (folder === '') return paths;
  }
}
