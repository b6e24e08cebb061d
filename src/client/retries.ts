import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { messageKind } from '../kernel/bus/convention.ts';
import { RETRY_POLICY } from '../kernel/contracts/retry-policy.ts';
import { errorInfo } from './error-info.ts';
import { KEY_HEADER } from './idempotency-keys.ts';
import { RetryBudget } from './retry-budget.ts';
import { Timeout } from './timeout.ts';

/** What `retries` takes. */
export interface RetryOptions {
  /** Of one call, the first one included. */
  readonly tries?: number;
  /** A service that asks for a longer pause is not waited for: its error is thrown at once. */
  readonly longestWaitMs?: number;
  /** From 0 up to 1, for the jitter. */
  readonly random?: () => number;
}

/** What a broken connection looks like, by the transport. */
const BROKEN: ReadonlySet<Code> = new Set([Code.Aborted, Code.Canceled, Code.DataLoss, Code.Internal, Code.Unknown]);

/**
 * Sends a call again that failed for what passes: the service is UNAVAILABLE, the connection broke, or the service is overloaded and says when
 * to come back. Queries are sent again, and commands with an `idempotency-key`; other commands may have been done. Streams are not.
 *
 * ```ts
 * const transport = createConnectTransport({ baseUrl, httpVersion: '2', interceptors: [idempotencyKeys(), retries()] });
 * ```
 *
 * At most four tries are made, with jittered pauses from 0.2 to 2 seconds. A pause that the service asks for (`google.rpc.RetryInfo`) is kept.
 * No try begins behind the deadline of the call: then, as after the last try, the caller gets the error of the service. While most calls of the
 * transport fail, none is sent again.
 */
export function retries({
  tries = RETRY_POLICY.tries,
  longestWaitMs = 5000,
  random = Math.random,
}: RetryOptions = {}): Interceptor {
  const budget = new RetryBudget();
  return (next) => async (request) => {
    if (request.stream) return await next(request);
    const { method, header, signal } = request;
    const timeout = new Timeout(header);
    for (let tried = 1; ; tried += 1) {
      try {
        const answer = await next(request);
        budget.succeeded();
        return answer;
      } catch (error) {
        const failure = ConnectError.from(error);
        if (signal.aborted || !passes(failure)) throw error;
        budget.failed();
        const isSafe = messageKind(method.parent) === 'query' || header.has(KEY_HEADER);
        const pause = pauseBehind(failure, tried, random);
        const isInTime = pause <= longestWaitMs && pause < timeout.left();
        if (!isSafe || !isInTime || tried >= tries || budget.isSpent) throw error;
        await sleep(pause, signal);
        timeout.renew();
      }
    }
  };
}

/** Whether the same call may be answered a moment later. */
function passes(failure: ConnectError): boolean {
  if (failure.code === Code.Unavailable) return true;
  if (failure.code === Code.ResourceExhausted) return askedPause(failure) !== undefined;
  // The service gives every error a reason: without one it is not the service's.
  return BROKEN.has(failure.code) && errorInfo(failure) === undefined;
}

/** Full jitter: clients that pause alike come back together. */
function pauseBehind(failure: ConnectError, tried: number, random: () => number): number {
  const { firstPause, factor, longestPause } = RETRY_POLICY;
  const most = Math.min(longestPause, firstPause * factor ** (tried - 1));
  return (askedPause(failure) ?? 0) + random() * most;
}

function askedPause(failure: ConnectError): number | undefined {
  const [info] = failure.findDetails(RetryInfoSchema);
  return info?.retryDelay && Number(info.retryDelay.seconds) * 1000 + info.retryDelay.nanos / 1e6;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
