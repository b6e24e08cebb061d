import { once } from 'node:events';
import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { networkOf } from '../../bus/network.ts';
import type { TrustedProxies } from '../proxies/trusted-proxies.ts';
import { EDGE_LIMITS, type EdgeLimits } from './edge-limits.ts';
import { Http1Connection } from './http1-connection.ts';
import { Http2Connection, type StreamListener } from './http2-connection.ts';
import { UnfinishedRequests } from './unfinished-requests.ts';

export interface EdgeOptions {
  readonly limits?: Partial<EdgeLimits> | undefined;
  /** Of the process, where there are several doors. */
  readonly unfinished?: UnfinishedRequests | undefined;
  /** From a proxy that is trusted come the connections of many; they count for the door alone. */
  readonly proxies?: Pick<TrustedProxies, 'trusts'> | undefined;
  /** The largest request message of a path, in bytes. */
  readonly largest: (path: string | undefined) => number;
  /** See Http2Rules. */
  readonly tooLate: (stream: ServerHttp2Stream) => void;
  /** Told every ten seconds at most how many connections were turned away since the last time. */
  readonly report?: ((turnedAway: number) => void) | undefined;
}

/** A connection from the moment it is accepted. */
interface Peer {
  readonly socket: Socket;
  readonly network: string;
  readonly openedAt: number;
  /** Undefined until it is known which HTTP is spoken. */
  connection: Http1Connection | Http2Connection | undefined;
}

/** Rounds are no further apart than this, in milliseconds. */
const LONGEST_ROUND = 1000;
const REPORT_EVERY = 10_000;
/** How long a closing connection gets to send its last answers, and a connection that was cut to be gone, in milliseconds. */
const LAST_WORDS_MS = 250;

/**
 * The edge of a door: who may connect, and how long everything may take that comes before a call is one, or after it was answered. The
 * same at both doors.
 *
 * A call pays for two listeners and an entry in a map. All times are looked at in rounds, at most a second apart, so that nothing has a
 * timer of its own.
 */
export class Edge {
  readonly limits: EdgeLimits;
  readonly #options: EdgeOptions;
  readonly #unfinished: UnfinishedRequests;
  /** By the addresses and the port, which tell the connection under TLS and the one above it to be the same. */
  readonly #peers = new Map<string, Peer>();
  readonly #perNetwork = new Map<string, number>();
  readonly #http1 = new WeakMap<Socket, Http1Connection>();
  #now = performance.now();
  #rounds: NodeJS.Timeout | undefined;
  #turnedAway = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #isClosing = false;

  constructor(options: EdgeOptions) {
    this.#options = options;
    this.limits = { ...EDGE_LIMITS, ...options.limits };
    this.#unfinished = options.unfinished ?? new UnfinishedRequests(this.limits.unfinishedBytes);
  }

  /** Watches what the server accepts from now on. */
  guard(server: Server): void {
    // Not in front of them but instead: what is turned away must not reach them.
    const accept = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (!this.#admits(socket)) return;
      for (const listen of accept) listen.call(server, socket);
    });
    const { beginMs, requestMs, answerMs, idleMs, probeMs, probeAnswerMs, ageMs } = this.limits;
    const shortest = Math.min(beginMs, requestMs, answerMs, idleMs, probeMs, probeAnswerMs, ageMs);
    const round = Math.min(LONGEST_ROUND, Math.ceil(shortest / 4));
    this.#rounds ??= setInterval(() => this.#inspect(), round).unref();
  }

  /** Watches the connections of an HTTP/2 server and the calls on them. */
  guardHttp2(server: Http2Server): void {
    server.prependListener('session', (session: ServerHttp2Session) => this.#begin(session));
  }

  /** The connection, which speaks HTTP/1.1. */
  http1(socket: Socket): Http1Connection {
    const known = this.#http1.get(socket);
    if (known) return known;
    const connection = new Http1Connection(socket, { limits: this.limits, now: this.#now });
    this.#http1.set(socket, connection);
    const peer = this.#peers.get(keyOf(socket));
    if (peer) peer.connection = connection;
    if (this.#isClosing) connection.leave();
    return connection;
  }

  /** From now on every connection is closed as soon as its calls are done. */
  close(): void {
    this.#isClosing = true;
    for (const { connection } of this.#peers.values()) connection?.leave();
  }

  /**
   * Resolves when all servers have closed. What is open `graceMs` later, and a little for last answers, is cut; whatever callers do, the
   * end comes. To be called before the servers are told to close.
   */
  async ended(servers: Iterable<Server>, graceMs: number): Promise<void> {
    const listening = [...servers].filter((server) => server.listening);
    const isOver = new AbortController();
    const closed = Promise.all(listening.map((server) => once(server, 'close')));
    const cut = async (): Promise<void> => {
      await sleep(graceMs + LAST_WORDS_MS, undefined, isOver);
      this.destroy();
      await sleep(LAST_WORDS_MS, undefined, isOver);
    };
    await Promise.race([closed, cut().catch(() => closed)]);
    isOver.abort();
    this.destroy();
  }

  /** Cuts what is still open. */
  destroy(): void {
    clearInterval(this.#rounds);
    for (const { socket, connection } of this.#peers.values()) {
      connection?.destroy();
      socket.destroy();
    }
  }

  get connections(): number {
    return this.#peers.size;
  }

  #admits(socket: Socket): boolean {
    const key = keyOf(socket);
    const network = networkOf(`${socket.remoteAddress}:${socket.remotePort}`);
    const fromThere = this.#perNetwork.get(network) ?? 0;
    // Gone already, or one too many.
    const isOneTooMany =
      fromThere >= this.limits.connectionsPerAddress && !this.#options.proxies?.trusts(socket.remoteAddress ?? '');
    if (socket.remoteAddress === undefined || isOneTooMany || !this.#hasRoom()) {
      socket.destroy();
      this.#turnedAway += 1;
      return false;
    }
    this.#perNetwork.set(network, fromThere + 1);
    const peer: Peer = { socket, network, openedAt: this.#now, connection: undefined };
    // A caller can use its port again before the end of the last connection from there is known here.
    this.#peers.get(key)?.socket.destroy();
    this.#peers.set(key, peer);
    socket.once('close', () => this.#forget(key, peer));
    return true;
  }

  #forget(key: string, peer: Peer): void {
    if (this.#peers.get(key) === peer) this.#peers.delete(key);
    const { network } = peer;
    const left = (this.#perNetwork.get(network) ?? 1) - 1;
    if (left > 0) this.#perNetwork.set(network, left);
    else this.#perNetwork.delete(network);
  }

  /** When every place is taken, the connection gives way that has been without a call for longest. */
  #hasRoom(): boolean {
    if (this.#peers.size < this.limits.connections) return true;
    let idlest: { readonly socket: Socket; readonly since: number } | undefined;
    for (const { socket, openedAt, connection } of this.#peers.values()) {
      const since = connection ? connection.idleSince : openedAt;
      if (connection?.isIdle !== false && since < (idlest?.since ?? this.#now)) idlest = { socket, since };
    }
    idlest?.socket.destroy();
    return idlest !== undefined;
  }

  #begin(session: ServerHttp2Session): void {
    const { tooLate, largest } = this.#options;
    const connection = new Http2Connection(session, {
      limits: this.limits,
      unfinished: this.#unfinished,
      tooLate,
      now: this.#now,
    });
    // Only calls that are let in reach the server.
    const passOn = session.listeners('stream');
    session.removeAllListeners('stream');
    const listener: StreamListener = (stream, headers, flags, raw) => {
      if (!connection.admits(stream, { flags, largest: largest(headers[':path']) })) return;
      for (const listen of passOn) listen.call(session, stream, headers, flags, raw);
    };
    session.on('stream', listener);
    const peer = this.#peers.get(keyOf(session.socket));
    if (peer) peer.connection = connection;
    if (this.#isClosing) connection.leave();
  }

  #inspect(): void {
    this.#now = performance.now();
    for (const { socket, openedAt, connection } of this.#peers.values()) {
      const isOver = connection ? connection.inspect(this.#now, openedAt) : this.#now - openedAt > this.limits.beginMs;
      if (isOver) socket.destroy();
    }
    if (this.#turnedAway === 0 || this.#now - this.#reportedAt < REPORT_EVERY) return;
    this.#options.report?.(this.#turnedAway);
    this.#turnedAway = 0;
    this.#reportedAt = this.#now;
  }
}

const keyOf = ({ remoteAddress, remotePort, localAddress }: Socket | TLSSocket): string =>
  `${remoteAddress}:${remotePort} ${localAddress}`;
