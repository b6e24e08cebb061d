import type { Interceptor } from '@connectrpc/connect';
import type { Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Authority } from '../auth/authority.ts';
import { OutageLog } from '../background/outage-log.ts';
import type { Pipelines } from '../bus/bus.ts';
import type { CommandRecorder } from '../command-log/command-recorder.ts';
import type { RefusalTally } from '../command-log/refusal-tally.ts';
import type { ReadSide } from '../database/read/read-side.ts';
import type { WriteSide } from '../database/write/write-side.ts';
import type { LogLevels } from '../telemetry/log-levels.ts';
import type { CallMetrics } from '../telemetry/metrics/call-metrics.ts';
import { audit } from './audit.ts';
import { authentication } from './authentication.ts';
import { authorization } from './authorization.ts';
import { consistency, type ReadingReport } from './consistency.ts';
import { deadline } from './deadline.ts';
import { errors, type UnexpectedErrors } from './errors.ts';
import { type GuessLimitParts, guessLimit } from './guess-limit.ts';
import { type IdempotencyParts, idempotency } from './idempotency.ts';
import { type CallGauges, type CallKind, loadShedding } from './load-shedding.ts';
import { logging } from './logging.ts';
import { metrics } from './metrics.ts';
import { type RateLimitParts, rateLimit } from './rate-limit.ts';
import { retry } from './retry.ts';
import { handlerTrace, tracing } from './tracing.ts';
import { unitOfWork } from './unit-of-work.ts';

/** What the middleware is made of. */
export interface PipelineParts {
  readonly logger: Logger;
  /** Undefined when nobody takes spans. */
  readonly tracer: Tracer | undefined;
  readonly logLevels?: LogLevels['calls'];
  readonly calls: Pick<CallMetrics, 'ended'>;
  readonly unexpected: UnexpectedErrors;
  readonly authority: Authority;
  readonly validation: Interceptor;
  readonly recorder: Pick<CommandRecorder, 'record'>;
  readonly refusals: Pick<RefusalTally, 'admit'>;
  readonly idempotency: IdempotencyParts;
  readonly writes: Pick<WriteSide, 'unitOfWork'>;
  readonly reads: Pick<ReadSide, 'primary' | 'candidates' | 'monitor'>;
  readonly reading?: ReadingReport;
  readonly onShed?: (kind: CallKind) => void;
  readonly inFlight: CallGauges;
  readonly rates: RateLimitParts;
  readonly guesses: GuessLimitParts;
}

/**
 * THE list: what every command and every query passes, outermost first.
 *
 * Errors stand inside logging, so that the log has the code the caller got, and outside everything that can fail. What is shed costs
 * next to nothing. Audit stands where every refusal passes it. Calls are counted before anything else is looked at, by network or, where
 * a token is needed, by its principal. Nothing is looked up before authorization, and what a limit refuses begins no transaction.
 */
export function createPipelines(parts: PipelineParts): Pipelines {
  const outer = [
    tracing(parts.tracer),
    metrics(parts.calls),
    logging(parts.logger, { levels: parts.logLevels }),
    errors(parts.unexpected),
    loadShedding(parts.inFlight, parts.onShed),
    deadline(),
  ];
  const admission = [
    rateLimit(parts.rates, 'network'),
    authentication(parts.authority),
    rateLimit(parts.rates, 'principal'),
    parts.validation,
    authorization(),
  ];
  const once = [guessLimit(parts.guesses), idempotency(parts.idempotency)];
  return {
    command: [
      ...outer,
      audit(parts.recorder, parts.refusals),
      ...admission,
      ...once,
      ...execution(parts, new OutageLog('commands', parts.logger)),
    ],
    query: [
      ...outer,
      ...admission,
      consistency(parts.reads, { report: parts.reading, outages: new OutageLog('queries', parts.logger) }),
      handlerTrace(),
    ],
    replay: replayPipeline(parts),
  };
}

/** What a recorded command passes that is run again: the caller is the recorded one, and whoever runs it again keeps the outcome. */
export function replayPipeline(parts: Pick<PipelineParts, 'validation' | 'writes'>): readonly Interceptor[] {
  return [parts.validation, authorization(), ...execution(parts)];
}

const execution = ({ writes }: Pick<PipelineParts, 'writes'>, outages?: OutageLog): readonly Interceptor[] => [
  retry(),
  unitOfWork(writes.unitOfWork, outages),
  handlerTrace(),
];
