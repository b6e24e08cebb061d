import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeyRing } from '../auth/key-ring.ts';
import { ConsistencyTokenExpired, ConsistencyTokenForeign, ConsistencyTokenInvalid } from './errors.ts';

/** What a database had when an answer was given: who presents it sees at least that. */
export interface TokenState {
  /** Of the cluster: its replicas have the same one, another cluster has another one. */
  readonly systemIdentifier: bigint;
  /** Counted on by each failover. */
  readonly timeline: number;
  /** Bytes of WAL. */
  readonly lsn: bigint;
  /** In cqrs.event, of the newest event that it tells of; 0 for none. */
  readonly position: bigint;
}

export interface ConsistencyToken extends TokenState {
  /** In seconds since the epoch. */
  readonly issuedAt: number;
  /** Where several were presented together: what the others tell of that are from before a failover. */
  readonly earlier?: readonly TokenState[];
  /** The newest event of each of them, where that is another: the one with the greatest position need not be the last to get a number. */
  readonly positions?: readonly bigint[];
}

/** Makes and reads the tokens of `cqrs-consistency-token`: opaque, tamper-proof, good for a day. A token grants no right. */
export interface ConsistencyTokens {
  readonly seal: (state: TokenState) => string;
  /**
   * Reads a token about the cluster `systemIdentifier`, or several with a comma between them, of calls that ran side by side: as one that tells of
   * everything that these tell of. Throws ConsistencyTokenForeign for one about another cluster, ConsistencyTokenInvalid and
   * ConsistencyTokenExpired.
   */
  readonly open: (token: string, systemIdentifier: bigint) => ConsistencyToken;
}

/** How long a token is good, in seconds. */
const LIFETIME = 24 * 3600;
/** How long the same state is told by the same token, in seconds: an idle database costs its answers no new ones. */
const REUSE = 60;

/** As HTTP has it between the values of one header (RFC 9110, 5.6.1). */
const SEPARATOR = ',';
/** As many as a client that keeps one for each call has side by side; more is no header of ours. */
const MOST_TOGETHER = 8;

/** How many tokens are known without looking at their signatures, about a fifth of a megabyte. */
const MOST_KNOWN = 1000;

/** version, system identifier, timeline, LSN, position, time; then the first bytes of an HMAC-SHA256 over all of them. */
const VERSION = 1;
const OFFSET = { systemIdentifier: 1, timeline: 9, lsn: 13, position: 21, issuedAt: 29 } as const;
const BODY = 33;
const MAC = 16;

/** The current key makes tokens, and those that the others made are read. `now` is in milliseconds since the epoch. */
export function createConsistencyTokens({ current, active }: KeyRing, now: () => number = Date.now): ConsistencyTokens {
  const keyOf = ({ deriveKey }: Pick<KeyRing['current'], 'deriveKey'>): Buffer => deriveKey('consistency tokens');
  const key = keyOf(current);
  const others = active.filter((other) => other !== current).map(keyOf);
  const seconds = (): number => Math.floor(now() / 1000);
  let last: { readonly token: ConsistencyToken; readonly text: string } | undefined;
  /** Tokens whose signature was looked at, or made, here: clients send the same one again and again. */
  const known = new Map<string, ConsistencyToken>();

  return {
    seal(state) {
      const issuedAt = seconds();
      if (last && isSame(last.token, state) && issuedAt - last.token.issuedAt < REUSE) return last.text;
      const token = { ...state, issuedAt };
      last = { token, text: sealed(token, key) };
      keep(last.text, token);
      return last.text;
    },
    open(text, systemIdentifier) {
      if (!text.includes(SEPARATOR)) return openOne(text, systemIdentifier);
      const texts = text.split(SEPARATOR);
      if (texts.length > MOST_TOGETHER) throw new ConsistencyTokenInvalid();
      return together(texts.map((one) => openOne(one.trim(), systemIdentifier)));
    },
  };

  function keep(text: string, token: ConsistencyToken): void {
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(text, token);
  }

  function openOne(text: string, systemIdentifier: bigint): ConsistencyToken {
    const token = known.get(text) ?? verified(text, systemIdentifier);
    if (token.systemIdentifier !== systemIdentifier) throw new ConsistencyTokenForeign();
    if (seconds() - token.issuedAt > LIFETIME) throw new ConsistencyTokenExpired();
    return token;
  }

  function verified(text: string, systemIdentifier: bigint): ConsistencyToken {
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.length !== BODY + MAC || bytes[0] !== VERSION || bytes.toString('base64url') !== text)
      throw new ConsistencyTokenInvalid();
    // Before the signature: another database has another key as a rule, and its token is to be called by its name.
    if (bytes.readBigInt64BE(OFFSET.systemIdentifier) !== systemIdentifier) throw new ConsistencyTokenForeign();
    if (!isSealedBy(bytes, key) && !others.some((other) => isSealedBy(bytes, other))) throw new ConsistencyTokenInvalid();
    const token = {
      systemIdentifier,
      timeline: bytes.readUInt32BE(OFFSET.timeline),
      lsn: bytes.readBigUInt64BE(OFFSET.lsn),
      position: bytes.readBigUInt64BE(OFFSET.position),
      issuedAt: bytes.readUInt32BE(OFFSET.issuedAt),
    };
    keep(text, token);
    return token;
  }
}

/** The newest of the newest timeline, with the newest event of all. */
function together(tokens: readonly ConsistencyToken[]): ConsistencyToken {
  const [first, ...others] = tokens.toSorted((one, other) => other.timeline - one.timeline || (one.lsn < other.lsn ? 1 : -1));
  if (!first) throw new ConsistencyTokenInvalid();
  const told = tokens.map(({ position }) => position).filter((position) => position > 0n);
  const positions = [...new Set(told)].toSorted((one, other) => (one < other ? 1 : -1));
  const [position = 0n] = positions;
  const earlier = others.filter(({ timeline }) => timeline !== first.timeline);
  return { ...first, position, ...(earlier.length > 0 && { earlier }), ...(positions.length > 1 && { positions }) };
}

const isSame = (one: TokenState, other: TokenState): boolean =>
  one.lsn === other.lsn &&
  one.position === other.position &&
  one.timeline === other.timeline &&
  one.systemIdentifier === other.systemIdentifier;

function sealed({ systemIdentifier, timeline, lsn, position, issuedAt }: ConsistencyToken, key: Buffer): string {
  const bytes = Buffer.allocUnsafe(BODY + MAC);
  bytes[0] = VERSION;
  bytes.writeBigInt64BE(systemIdentifier, OFFSET.systemIdentifier);
  bytes.writeUInt32BE(timeline, OFFSET.timeline);
  bytes.writeBigUInt64BE(lsn, OFFSET.lsn);
  bytes.writeBigUInt64BE(position, OFFSET.position);
  bytes.writeUInt32BE(issuedAt, OFFSET.issuedAt);
  macOf(bytes, key).copy(bytes, BODY, 0, MAC);
  return bytes.toString('base64url');
}

const isSealedBy = (bytes: Buffer, key: Buffer): boolean =>
  timingSafeEqual(bytes.subarray(BODY), macOf(bytes, key).subarray(0, MAC));

const macOf = (bytes: Buffer, key: Buffer): Buffer => createHmac('sha256', key).update(bytes.subarray(0, BODY)).digest();
