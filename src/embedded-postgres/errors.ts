/**
 * The embedded cluster cannot be used as asked. The message names the file or variable, and what to do.
 *
 * ```ts
 * if (error instanceof EmbeddedClusterError) process.stderr.write(`${error.message}\n`);
 * ```
 */
export abstract class EmbeddedClusterError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/**
 * Another live program holds the data directory.
 *
 * ```ts
 * if (error instanceof DataDirInUse) process.stderr.write(`process ${error.holderPid} has ${error.dataDir}\n`);
 * ```
 */
export class DataDirInUse extends EmbeddedClusterError {
  readonly dataDir: string;
  readonly holderPid: number | undefined;
  constructor(dataDir: string, holderPid: number | undefined) {
    super(
      `DATA_DIR ${dataDir} is in use by another program (pid ${holderPid ?? 'unknown'}): ` +
        'stop that program, or set DATA_DIR to another directory',
    );
    this.dataDir = dataDir;
    this.holderPid = holderPid;
  }
}

/** The data directory, or something in it, cannot be made, entered or written. */
export class DataDirUnusable extends EmbeddedClusterError {
  constructor(path: string, problem: string, cause?: unknown) {
    super(`${path}: ${problem}`, { cause });
  }
}

/** The user has a number and no name, as with `docker run --user 12345` or on OpenShift; PostgreSQL's initdb asks for the name. */
export class UserHasNoName extends EmbeddedClusterError {
  constructor(uid: number) {
    super(
      `the database cannot be created: the user with uid ${uid} has no name in /etc/passwd, and PostgreSQL's initdb needs one. Add the ` +
        `line "bicameral:x:${uid}:0::/tmp:/sbin/nologin" to /etc/passwd (in a container, when its image is built), run as a user ` +
        'that is listed there, or set DATABASE_URL to a PostgreSQL server of your own',
    );
  }
}

/** There are no PostgreSQL executables for this machine. */
export class UnsupportedPlatform extends EmbeddedClusterError {
  constructor(platform: string, arch: string) {
    super(
      `the embedded PostgreSQL runs on Linux and macOS, not on ${platform}-${arch}: ` +
        'set DATABASE_URL to a PostgreSQL server of your own, version 15 or later',
    );
  }
}

/** The PostgreSQL executables are not installed, or do not run here. */
export class PostgresExecutablesUnusable extends EmbeddedClusterError {
  constructor(what: string, problem: string, cause?: unknown) {
    super(
      `the PostgreSQL executables cannot be used (${what}: ${problem}). Run "npm install", and "npm rebuild" if it is there ` +
        'but broken, with install scripts and optional packages allowed; or set DATABASE_URL to a PostgreSQL server of your own',
      { cause },
    );
  }
}

/** The data folder was made by another major version of PostgreSQL, which this one cannot read. */
export class DataFolderVersionDiffers extends EmbeddedClusterError {
  constructor(folder: string, found: string, needed: string) {
    super(
      `${folder} was made by PostgreSQL ${found}, and the installed PostgreSQL is ${needed}: move the data with pg_dump of version ${found}, ` +
        'or set DATA_DIR to another directory to begin with an empty database',
    );
  }
}

/** The primary's data is gone while the replica still has its copy: beginning anew would destroy the last copy. */
export class PrimaryMissing extends EmbeddedClusterError {
  constructor(primary: string, replica: string) {
    super(
      `${primary} is missing, but ${replica} still holds a copy of the data: to continue with that copy, rename it to ${primary} and ` +
        `delete its file standby.signal; to begin with an empty database, delete ${replica}`,
    );
  }
}

/** A PostgreSQL program ended before it was ready, or was not ready in time. */
export class PostgresDidNotStart extends EmbeddedClusterError {
  constructor(name: string, problem: string, log: { readonly file: string; readonly lastLines: string }, cause?: unknown) {
    super(`the ${name} did not start: ${problem}. Last lines of ${log.file}:\n${log.lastLines || '(empty)'}`, { cause });
  }
}

/** The replica's folder cannot be made from the primary's. */
export class ReplicaCannotBeMade extends EmbeddedClusterError {
  constructor(problem: string, cause?: unknown) {
    super(`the replica cannot be made: ${problem}`, { cause });
  }
}
