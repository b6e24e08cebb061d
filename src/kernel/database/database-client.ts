import pg from 'pg';

/** How long a server may take to say goodbye, in milliseconds. */
const FAREWELL = 1_000;

/** What `pg` has and its types leave out. */
interface Internals {
  readonly connection: { readonly stream: { readonly bytesRead: number; destroy(reason?: Error): void } };
  readonly processID: number | null;
  readonly _activeQuery: unknown;
  readonly _sentQueryQueue: readonly unknown[];
  readonly _queryQueue: readonly unknown[];
}

/** A `pg` client that tells whether it waits for its server, and that can be cut off: a network can swallow bytes and close nothing. */
export class DatabaseClient extends pg.Client {
  get #internals(): Internals {
    return this as unknown as Internals;
  }

  /** The process of the server that works for this connection; behind a pooler, a number of the pooler's. */
  get serverProcess(): number {
    return this.#internals.processID ?? 0;
  }

  /** Whether a statement was sent and its answer has not come. */
  get isWaiting(): boolean {
    const { _activeQuery, _sentQueryQueue, _queryQueue } = this.#internals;
    return Boolean(_activeQuery) || _sentQueryQueue.length > 0 || _queryQueue.length > 0;
  }

  /** Bytes that have come from the server so far. */
  get received(): number {
    return this.#internals.connection.stream.bytesRead;
  }

  /** Breaks the connection: what waits on it fails at once, with `reason`. The server is not asked, and rolls back when it notices. */
  cutOff(reason?: Error): void {
    this.#internals.connection.stream.destroy(reason);
  }

  /** Closes the connection in order; after a second by force, because a server that hangs never answers. */
  override end(): Promise<void>;
  override end(callback: (error: Error) => void): void;
  override end(callback?: (error: Error) => void): Promise<void> | undefined {
    const late = setTimeout(() => this.cutOff(), FAREWELL);
    this.once('end', () => clearTimeout(late));
    if (!callback) return super.end();
    super.end(callback);
    return undefined;
  }
}
