import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { EdgeLimits } from './edge-limits.ts';
import { PingPolice } from './ping-police.ts';
import { TokenBucket } from './token-bucket.ts';
import { UnfinishedRequests } from './unfinished-requests.ts';

/** What the connections of a door have in common. */
export interface Http2Rules {
  readonly limits: EdgeLimits;
  readonly unfinished: UnfinishedRequests;
  /** Answers, if it still can, a caller whose request has not come in whole in time; the stream is closed soon after. */
  readonly tooLate: (stream: ServerHttp2Stream) => void;
}

/** A call from its header to the end of its answer. Times are those of the last round before. */
interface OpenStream {
  readonly openedAt: number;
  /** What its request counts for until it is whole, and afterwards 0. */
  unfinishedBytes: number;
  readonly moreBytes: () => number;
  /** When a round first found the answer complete, and the stream open. */
  answeredAt: number | undefined;
  /** What of the answer waited for the caller in the last round, and since when it has been that much. */
  unread: { readonly bytes: number; readonly since: number };
}

const LAST_STREAM_ID = 2 ** 31 - 1;
const NO_MORE = (): number => 0;
const ignore = (): void => {};

/** One connection over HTTP/2, from its first frame on. Nothing here has a timer of its own: `inspect` is called in rounds. */
export class Http2Connection {
  readonly #session: ServerHttp2Session;
  readonly #rules: Http2Rules;
  readonly #streams = new Map<ServerHttp2Stream, OpenStream>();
  readonly #resets: TokenBucket;
  readonly #diesAt: number;
  #now: number;
  /** When the last call began or ended, or an answer came to the question whether the caller is alive. */
  #lastSignAt: number;
  #idleSince: number;
  #askedAt: number | undefined;
  #hasBegun = false;
  /** Since when no more calls are taken, and how long those that are open get. */
  #leaving: { readonly since: number; readonly graceMs: number } | undefined;
  #toldOfAgeAt: number | undefined;
  #isSentAway = false;
  #overSince: number | undefined;

  constructor(session: ServerHttp2Session, { now, ...rules }: Http2Rules & { now: number }) {
    const { limits } = rules;
    this.#session = session;
    this.#rules = rules;
    this.#now = now;
    this.#lastSignAt = now;
    this.#idleSince = now;
    this.#diesAt = now + limits.ageMs * (0.9 + 0.2 * Math.random());
    this.#resets = new TokenBucket(limits.resets);
    const settings = new TokenBucket(limits.settings);
    session.on('remoteSettings', () => {
      this.#hasBegun = true;
      if (!settings.take()) this.#sendAway('too_many_settings');
    });
    new PingPolice(session, { minIntervalMs: limits.minPingMs, tooMany: () => this.#sendAway('too_many_pings') });
  }

  get isIdle(): boolean {
    return this.#streams.size === 0;
  }

  get idleSince(): number {
    return this.#idleSince;
  }

  /** Watches a call whose request can be `largest` bytes. False when it was refused and nobody else has to do with it. */
  admits(stream: ServerHttp2Stream, { flags, largest }: { flags: number; largest: number }): boolean {
    const { unfinished } = this.#rules;
    if (stream.destroyed) {
      // Taken back before it was seen.
      stream.on('error', ignore);
      this.#takenBack();
      return false;
    }
    if (this.#isSentAway) return refuse(stream);
    const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const unfinishedBytes = isWhole ? 0 : unfinished.begin(largest);
    if (!isWhole && unfinishedBytes === 0) return refuse(stream);
    const isLarge = !isWhole && UnfinishedRequests.isLarge(largest);
    const moreBytes = isLarge ? unfinished.countRest(stream, () => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)) : NO_MORE;
    const unread = { bytes: 0, since: this.#now };
    const call: OpenStream = { openedAt: this.#now, unfinishedBytes, moreBytes, answeredAt: undefined, unread };
    this.#streams.set(stream, call);
    this.#lastSignAt = this.#now;
    // A stream that was taken back ends too, but was not received.
    if (!isWhole) stream.once('end', () => stream.closed || this.#received(call));
    stream.once('close', () => this.#closed(stream, call));
    return true;
  }

  /**
   * Takes no more calls; the caller is told to open another connection. What is under way goes on, for `graceMs` at most. Not to be called
   * while the connection is read: see `#sendAway`.
   */
  leave(graceMs = Number.POSITIVE_INFINITY): void {
    if (this.#leaving || this.#session.destroyed) return;
    this.#leaving = { since: this.#now, graceMs };
    this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  /** One round: ends what has had its time. True when the connection is to be cut: it is over, and the caller does not close it. */
  inspect(now: number, openedAt: number): boolean {
    this.#now = now;
    const { limits } = this.#rules;
    if (this.#session.destroyed) {
      this.#overSince ??= now;
      return now - this.#overSince > limits.answerMs;
    }
    this.#inspectSession(openedAt);
    return false;
  }

  #inspectSession(openedAt: number): void {
    const now = this.#now;
    const { limits } = this.#rules;
    if (!this.#hasBegun && now - openedAt > limits.beginMs) {
      this.#session.destroy();
      return;
    }
    for (const [stream, call] of this.#streams) this.#inspectStream(stream, call);
    this.#probe();
    if (this.#leaving) {
      if (now - this.#leaving.since > this.#leaving.graceMs) this.#session.destroy();
    } else if (this.isIdle && now - this.#idleSince > limits.idleMs) this.leave(limits.beginMs);
    else if (now > this.#diesAt) this.#dieOfAge();
  }

  #received(call: OpenStream): void {
    this.#rules.unfinished.end(call.unfinishedBytes + call.moreBytes());
    call.unfinishedBytes = 0;
  }

  #closed(stream: ServerHttp2Stream, call: OpenStream): void {
    const wasUnfinished = call.unfinishedBytes > 0;
    if (wasUnfinished) this.#received(call);
    this.#streams.delete(stream);
    this.#lastSignAt = this.#now;
    if (this.#streams.size === 0) this.#idleSince = this.#now;
    // With whatever code; also when the door has answered at once what had not come in whole.
    const isTakenBack = stream.aborted || (wasUnfinished && stream.rstCode !== constants.NGHTTP2_NO_ERROR);
    if (isTakenBack && call.answeredAt === undefined) this.#takenBack();
  }

  #takenBack(): void {
    if (!this.#resets.take()) this.#sendAway('too_many_resets');
  }

  #inspectStream(stream: ServerHttp2Stream, call: OpenStream): void {
    const { limits, tooLate } = this.#rules;
    const isAnswered = stream.headersSent && stream.writableEnded;
    if (!isAnswered) {
      // grpc-js ends an answer only when the message in it was taken.
      if (this.#isUnread(stream, call)) stream.close(constants.NGHTTP2_CANCEL);
      if (call.unfinishedBytes === 0 || this.#now - call.openedAt <= limits.requestMs) return;
      if (call.answeredAt === undefined && !stream.headersSent) {
        call.answeredAt = this.#now;
        tooLate(stream);
      } else stream.close(constants.NGHTTP2_CANCEL);
      return;
    }
    if (call.answeredAt === undefined) {
      call.answeredAt = this.#now;
      // Whatever still comes is read and forgotten, so that the connection can go on.
      if (!stream.readableEnded) stream.resume();
    } else if (call.unfinishedBytes > 0) {
      // The caller goes on sending though it has its answer (RFC 9113, 8.1).
      if (stream.writableFinished) stream.close(constants.NGHTTP2_NO_ERROR);
      else if (this.#now - call.answeredAt > limits.answerMs) stream.close(constants.NGHTTP2_CANCEL);
    } else if (this.#now - call.answeredAt > limits.answerMs) stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Whether the caller has taken nothing of what waits for it for as long as the end of an answer may take. */
  #isUnread({ writableLength }: ServerHttp2Stream, call: OpenStream): boolean {
    if (writableLength === 0 || writableLength !== call.unread.bytes) {
      call.unread = { bytes: writableLength, since: this.#now };
    }
    return this.#now - call.unread.since > this.#rules.limits.answerMs;
  }

  /**
   * Frames are answered in order, and nothing may come between those of one header (RFC 9113, 4.3): a caller that is silent, gone, or has
   * begun a frame that it does not end cannot answer a ping.
   */
  #probe(): void {
    const { limits } = this.#rules;
    if (this.#askedAt !== undefined) {
      if (this.#now - this.#askedAt > limits.probeAnswerMs) this.#session.destroy();
      return;
    }
    if (this.#now - this.#lastSignAt <= limits.probeMs) return;
    const isSent = this.#session.ping((error) => {
      if (error) return;
      this.#askedAt = undefined;
      this.#lastSignAt = this.#now;
    });
    if (isSent) this.#askedAt = this.#now;
  }

  /** As in gRFC A9: the caller is told first, so that the calls that it sends meanwhile are still taken. */
  #dieOfAge(): void {
    const { ageGraceMs } = this.#rules.limits;
    if (this.#toldOfAgeAt !== undefined) {
      this.leave(ageGraceMs);
      return;
    }
    this.#toldOfAgeAt = this.#now;
    this.#session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM_ID, Buffer.from('max_age'));
  }

  #sendAway(why: string): void {
    if (this.#isSentAway) return;
    this.#isSentAway = true;
    // Not while the connection is read, where this is called. Node refuses what it reads after a session was closed and before that is sent
    // in a way that uses freed memory, and ends the process (`current_nghttp2_memory_`, v26.10).
    setImmediate(() => {
      if (this.#session.destroyed || this.#session.closed) return;
      this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from(why));
      // Calls that are under way get a little time; all others are refused.
      this.leave(this.#rules.limits.beginMs);
    });
  }
}

/** It was not looked at, so that the caller may send it again (RFC 9113, 8.7). Answers false. */
function refuse(stream: ServerHttp2Stream): false {
  stream.on('error', ignore);
  stream.close(constants.NGHTTP2_REFUSED_STREAM);
  return false;
}

export type StreamListener = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw: string[]) => void;
