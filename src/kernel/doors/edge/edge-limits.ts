/** What a door grants callers before there is a call that other limits could count. Times are in milliseconds. */
export interface EdgeLimits {
  /** Open connections at one door of one process. When all are taken, an idle one gives way to the next. */
  readonly connections: number;
  /** Of these, from one address (IPv6: one /64). */
  readonly connectionsPerAddress: number;
  /** For a TLS handshake, for the first bytes of a connection, for the settings with which HTTP/2 begins. */
  readonly beginMs: number;
  /** For a whole request, from its header on. */
  readonly requestMs: number;
  /** For the end of an answer to be taken, once all of it is written, or for any more of it before; for a connection that is over to be closed. */
  readonly answerMs: number;
  /** Without a call. Balancers and proxies keep idle connections too, and must be the first to close them. */
  readonly idleMs: number;
  /** A connection takes no more calls after this time, by chance a tenth more or less (gRFC A9). */
  readonly ageMs: number;
  /** For the calls that are still open then. */
  readonly ageGraceMs: number;
  /** A connection over HTTP/2 on which nothing happens for so long is asked whether it is alive. */
  readonly probeMs: number;
  /** For the answer to that. */
  readonly probeAnswerMs: number;
  /** Between two pings of a caller (gRFC A8). */
  readonly minPingMs: number;
  /** Calls that a caller may take back in a row on one connection, and how many more each second. */
  readonly resets: { readonly burst: number; readonly perSecond: number };
  /** Settings that a caller may send in a row on one connection, and how many more each second. */
  readonly settings: { readonly burst: number; readonly perSecond: number };
  /** Calls at once on one connection. */
  readonly streamsPerConnection: number;
  /** Of all requests that have not come in whole, at both doors of one process: see UnfinishedRequests. */
  readonly unfinishedBytes: number;
}

export const EDGE_LIMITS: EdgeLimits = {
  connections: 2000,
  connectionsPerAddress: 1000,
  beginMs: 10_000,
  requestMs: 30_000,
  answerMs: 120_000,
  // Balancers of Google keep connections for 600 s, those of Amazon and nginx for 60 s, those of Azure for 240 s.
  idleMs: 620_000,
  ageMs: 60 * 60_000,
  ageGraceMs: 5 * 60_000,
  probeMs: 30_000,
  // The default of gRFC A9.
  probeAnswerMs: 20_000,
  // The least that gRPC's clients can be set to.
  minPingMs: 10_000,
  resets: { burst: 200, perSecond: 33 },
  settings: { burst: 20, perSecond: 1 },
  streamsPerConnection: 1000,
  unfinishedBytes: 128 * 1024 * 1024,
};

/** The largest header of a request, as over HTTP/1.1 in Node.js. */
export const MAX_HEADER_BYTES = 16 * 1024;
