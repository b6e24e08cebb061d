import { AsyncLocalStorage } from 'node:async_hooks';
import type { ReadSide } from '../database/read/read-side.ts';
import { Reader } from '../database/read/reader.ts';
import { FollowedDatabase, type FollowedOptions } from './followed-database.ts';

/** How soon a database is followed again after that failed, in milliseconds. */
const PAUSE = 500;

/** Follows the feeds of the databases that answers were read from, each from the first one on. */
export class FollowedDatabases {
  readonly #followed = new Map<string, { readonly database: FollowedDatabase; readonly since: number }>();
  readonly #reads: Pick<ReadSide, 'all' | 'monitor'>;
  readonly #options: Omit<FollowedOptions, 'isHealthy' | 'staleness' | 'systemIdentifier'>;
  /** Runs what serves all calls, as part of none of them. */
  readonly #aside = AsyncLocalStorage.snapshot();
  #isStopped = false;

  constructor(
    reads: Pick<ReadSide, 'all' | 'monitor'>,
    options: Omit<FollowedOptions, 'isHealthy' | 'staleness' | 'systemIdentifier'>,
  ) {
    this.#reads = reads;
    this.#options = options;
  }

  /** The database with that name; undefined where there is none. */
  named(name: string): FollowedDatabase | undefined {
    const known = this.#followed.get(name);
    const now = this.#options.now();
    if (known && (!known.database.hasFailed || now - known.since < PAUSE)) return known.database;
    const source = this.#reads.all.find((one) => one.name === name);
    if (!source || this.#isStopped) return undefined;
    const { monitor } = this.#reads;
    const options = {
      ...this.#options,
      isHealthy: () => monitor.isHealthy(name),
      staleness: () => monitor.staleness(name),
      systemIdentifier: () => monitor.positions.systemIdentifier,
    };
    const database = this.#aside(() => new FollowedDatabase(name, (cancellation) => new Reader(source, cancellation), options));
    this.#followed.set(name, { database, since: now });
    return database;
  }

  readonly stop = async (): Promise<void> => {
    this.#isStopped = true;
    for (const { database } of this.#followed.values()) database.stop();
  };
}
