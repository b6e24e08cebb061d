import type { CallGauge } from '../bus/call-gauge.ts';
import type { CallKind } from '../bus/convention.ts';
import { Overloaded } from '../bus/errors.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { watchedAnswer } from '../bus/watched-stream.ts';

const NEEDS: readonly Need[] = [{ name: 'errors', because: 'a call beyond the limit gets a typed error' }];

/** The `resource` that OVERLOADED names when this instance is full. */
export const IN_FLIGHT = 'its turn on this instance';

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
): Middleware {
  const gauges = { command: commands, query: queries, stream: streams };
  return busMiddleware('load shedding', (_, kind) => shedding(kind, { gauge: gauges[kind], onShed }), NEEDS);
}

function shedding(kind: CallKind, { gauge, onShed }: { gauge: CallGauge; onShed: (kind: CallKind) => void }): Around {
  const leave = (): void => gauge.leave();
  return (next) => (call) => {
    if (!gauge.enter()) {
      onShed(kind);
      return Promise.reject(new Overloaded(IN_FLIGHT));
    }
    return next(call).then(
      (answer) => {
        if (kind === 'stream') return watchedAnswer(answer, leave);
        leave();
        return answer;
      },
      (error) => {
        leave();
        throw error;
      },
    );
  };
}
