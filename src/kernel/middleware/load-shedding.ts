import type { Interceptor } from '@connectrpc/connect';
import { type Answer, answerOf, type ConnectResponse, toResponse } from '../bus/answer.ts';
import { callOf, type Message } from '../bus/call.ts';
import { messageKind } from '../bus/convention.ts';
import { Overloaded } from '../bus/errors.ts';
import type { CallGauge } from './call-gauge.ts';
import { watchedStream } from './watched-stream.ts';

/** What a call waits for that is one too many. */
export const IN_FLIGHT = 'its turn on this instance';

/** What has a limit of its own. */
export type CallKind = 'command' | 'query' | 'stream';

/** How many calls of each kind are in flight. Commands may wait for a password to be hashed, and must not keep queries out. */
export interface CallGauges {
  readonly commands: CallGauge;
  readonly queries: CallGauge;
  readonly streams: CallGauge;
}

/**
 * Refuses calls beyond what is in flight already with Overloaded, before anything is spent on them: those that are let through keep
 * their latency. Streams, which may stay open for days, have a limit of their own. A door may refuse still earlier by the same gauge.
 */
export function loadShedding(
  { commands, queries, streams }: CallGauges,
  onShed: (kind: CallKind) => void = () => {},
): Interceptor {
  return (next) => (request) => {
    const { stream, method } = callOf(request);
    const kind = stream ? 'stream' : (messageKind(method.parent) ?? 'query');
    const gauge = { command: commands, query: queries, stream: streams }[kind];
    if (!gauge.enter()) {
      onShed(kind);
      return Promise.reject(new Overloaded(IN_FLIGHT));
    }
    const leave = (): void => gauge.leave();
    return next(request).then(
      (response) => {
        if (stream) return withEnd(response, leave);
        leave();
        return response;
      },
      (error) => {
        leave();
        throw error;
      },
    );
  };
}

function withEnd(response: ConnectResponse, onEnd: () => void): ConnectResponse {
  const answer = answerOf(response) as Answer<AsyncIterable<Message>>;
  return toResponse(answer.withMessage(watchedStream(answer.message, onEnd)));
}
