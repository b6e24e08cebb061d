import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { hasUnanswered, sessionOf, streamOf } from './pg-internals.ts';

/** How long a server may take to say goodbye, in milliseconds. */
const FAREWELL = 1_000;

/** Runs what lives longer than the call that asks for it as part of none. */
const aside = AsyncLocalStorage.snapshot();

/** A `pg` client that tells whether it waits for its server, and that can be cut off: a network can swallow bytes and close nothing. */
export class DatabaseClient extends pg.Client {
  /** The process of the server that works for this connection; behind a pooler, a number of the pooler's. */
  get serverProcess(): number {
    return sessionOf(this).processID;
  }

  /** Whether a statement was sent and its answer has not come. */
  get isWaiting(): boolean {
    return hasUnanswered(this);
  }

  /** Bytes that have come from the server so far. */
  get received(): number {
    return streamOf(this).bytesRead;
  }

  /** Breaks the connection: what waits on it fails at once, with `reason`. The server is not asked, and rolls back when it notices. */
  cutOff(reason?: Error): void {
    streamOf(this).destroy(reason);
  }

  /** As part of no call: the socket and the timers of a connection would keep all that the call holds for which it was opened. */
  override connect(): Promise<pg.Client>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<pg.Client> | undefined {
    if (!callback) return aside(() => super.connect());
    aside(() => super.connect(callback));
    return undefined;
  }

  /** Closes the connection in order; after a second by force, because a server that hangs never answers. */
  override end(): Promise<void>;
  override end(callback: (error: Error) => void): void;
  override end(callback?: (error: Error) => void): Promise<void> | undefined {
    // An open connection keeps the process alive by itself; one that broke before is never heard of again.
    const late = setTimeout(() => this.cutOff(), FAREWELL).unref();
    this.once('end', () => clearTimeout(late));
    if (!callback) return super.end();
    super.end(callback);
    return undefined;
  }
}
