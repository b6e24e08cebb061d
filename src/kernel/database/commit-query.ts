import type pg from 'pg';
import type { TokenState } from '../consistency/token.ts';
import type { WireConnection } from './pg-internals.ts';
import { endOfRecord, parseLsn } from './read/log-position.ts';

/** Where the log of the primary was. */
export type LogPlace = Omit<TokenState, 'position'>;

/** What COMMIT came to. */
export interface Committed {
  /** ROLLBACK when a statement of the transaction had failed. */
  readonly command: string;
  /** Where the log was then, or why that could not be told. */
  readonly place: LogPlace | Error;
}

/** A commit is acknowledged when it is flushed: it lies before this place. A primary alone can say so, of the timeline that it writes. */
export const PLACE = 'pg_current_wal_flush_lsn() as lsn, left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) as timeline';
export const SYSTEM = '(select system_identifier from pg_control_system()) as system_identifier';

export function placeOf(lsn: string | null | undefined, timeline: string | null | undefined, systemIdentifier: bigint): LogPlace {
  if (!lsn || !timeline) throw new Error('the database did not say where its log is');
  return { systemIdentifier, timeline: Number.parseInt(timeline, 16), lsn: endOfRecord(parseLsn(lsn)) };
}

/** The first ones of a connection are not prepared, and ask for the cluster too: it stays the same, and the file that it stands in is read for it. */
const FIRST = [
  ['', 'commit'],
  ['', `select ${PLACE}, ${SYSTEM}`],
] as const;
const NEXT = [
  ['commit', 'commit'],
  ['log place', `select ${PLACE}`],
] as const;

interface Session {
  readonly systemIdentifier: bigint;
  isPrepared: boolean;
}
const sessions = new WeakMap<pg.ClientBase, Session>();

/**
 * COMMIT, and behind it the question where the log is then. Both go out together under one Sync (PostgreSQL manual 54.2.3), which costs less than two
 * statements, and come back together. COMMIT has been done when the server comes to the question: whatever becomes of that, the commit stands.
 */
export class CommitQuery implements pg.Submittable {
  /** As logs, traces and metrics see it. */
  readonly text = 'commit';
  /** Rejects when the commit failed, or nobody knows whether it did. */
  readonly done: Promise<Committed>;
  readonly #client: pg.ClientBase;
  readonly #session: Session | undefined;
  readonly #settle: PromiseWithResolvers<Committed> = Promise.withResolvers();
  #command: string | undefined;
  #fields: readonly (string | null)[] = [];

  constructor(client: pg.ClientBase) {
    this.#client = client;
    this.#session = sessions.get(client);
    this.done = this.#settle.promise;
  }

  submit(connection: pg.Connection): void {
    const wire = connection as unknown as WireConnection;
    wire.stream.cork();
    for (const [name, text] of this.#session ? NEXT : FIRST) {
      if (!this.#session?.isPrepared) {
        // What an attempt before it prepared, of which the answer did not come.
        if (name !== '') wire.close({ type: 'S', name });
        wire.parse({ name, text });
      }
      wire.bind({ statement: name });
      wire.execute({});
    }
    wire.sync();
    wire.stream.uncork();
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.#command ??= text;
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    this.#fields = fields;
  }

  handleReadyForQuery(): void {
    const place = this.#answered();
    if (!Error.isError(place)) {
      if (this.#session) this.#session.isPrepared = true;
      else sessions.set(this.#client, { systemIdentifier: place.systemIdentifier, isPrepared: false });
    }
    this.#end(place);
  }

  handleError(error: Error): void {
    this.#end(error);
  }

  #answered(): LogPlace | Error {
    const [lsn, timeline, system] = this.#fields;
    try {
      return placeOf(lsn, timeline, this.#session?.systemIdentifier ?? BigInt(system ?? 0));
    } catch (error) {
      return error as Error;
    }
  }

  handleRowDescription(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}

  #end(place: LogPlace | Error): void {
    if (this.#command !== undefined) this.#settle.resolve({ command: this.#command, place });
    else this.#settle.reject(place);
  }
}

/** Sends COMMIT with what goes behind it. */
export function commit(client: pg.ClientBase): Promise<Committed> {
  return client.query(new CommitQuery(client)).done;
}
