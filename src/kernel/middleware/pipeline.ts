import type { Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Authority } from '../auth/authority.ts';
import { OutageLog } from '../background/outage-log.ts';
import type { Pipelines } from '../bus/bus.ts';
import type { CallKind } from '../bus/convention.ts';
import type { Middleware } from '../bus/middleware.ts';
import { inOrder } from '../bus/order.ts';
import type { DeclaredReads } from '../bus/query.ts';
import type { CommandRecorder } from '../command-log/command-recorder.ts';
import type { RefusalTally } from '../command-log/refusal-tally.ts';
import { AnswerTokens } from '../consistency/answer-tokens.ts';
import type { ConsistencyTokens } from '../consistency/token.ts';
import type { ReadSide } from '../database/read/read-side.ts';
import type { WriteSide } from '../database/write/write-side.ts';
import type { LogLevels } from '../telemetry/log-levels.ts';
import type { CallMetrics } from '../telemetry/metrics/call-metrics.ts';
import { authentication } from './authentication.ts';
import { authorization, type Owners } from './authorization.ts';
import { type CacheMiddlewareParts, cache } from './cache.ts';
import { consistency, type ReadingReport } from './consistency.ts';
import { deadline } from './deadline.ts';
import { errors, type UnexpectedErrors } from './errors.ts';
import { type GuessLimitParts, guessLimit } from './guess-limit.ts';
import { type IdempotencyParts, idempotency } from './idempotency.ts';
import { type CallGauges, loadShedding } from './load-shedding.ts';
import { logging } from './logging.ts';
import { metrics } from './metrics.ts';
import { type RateLimitParts, rateLimit } from './rate-limit.ts';
import { recording } from './recording.ts';
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
  readonly validation: Middleware;
  readonly recorder: Pick<CommandRecorder, 'record'>;
  readonly refusals: Pick<RefusalTally, 'admit'>;
  readonly idempotency: Omit<IdempotencyParts, 'tokens'>;
  readonly tokens: ConsistencyTokens;
  readonly writes: Pick<WriteSide, 'unitOfWork'>;
  readonly reads: Pick<ReadSide, 'primary' | 'candidates' | 'monitor'>;
  /** The async projections that queries read. */
  readonly declared?: DeclaredReads;
  readonly reading?: ReadingReport;
  /** Undefined where no answers are kept. */
  readonly cache?: CacheMiddlewareParts | undefined;
  readonly onShed?: (kind: CallKind) => void;
  readonly inFlight: CallGauges;
  readonly rates: RateLimitParts;
  readonly guesses: GuessLimitParts;
  /** For access rules of the kind `owner`. */
  readonly owners?: Owners | undefined;
  /** An application's own. */
  readonly middleware?: readonly Middleware[] | undefined;
}

/**
 * THE list: what every command and every query passes, outermost first. `bicameral pipeline` prints it, and each middleware says which
 * others it needs outside of itself, and why.
 *
 * Errors stand inside logging, so that the log has the code the caller got, and outside everything that can fail. What is shed costs
 * next to nothing. Recording stands where every refusal passes it. Calls are counted before anything else is looked at, by network or, where
 * a token is needed, by its principal. Nothing is looked up before authorization, and what a limit refuses begins no transaction.
 *
 * Throws PipelineError when an application's own middleware cannot stand where it is to.
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
    authorization(parts.owners),
  ];
  const tokens = new AnswerTokens(parts.tokens, new OutageLog('tokens of commands', parts.logger));
  const once = [guessLimit(parts.guesses), idempotency({ ...parts.idempotency, tokens })];
  const outages = { commands: new OutageLog('commands', parts.logger), queries: new OutageLog('queries', parts.logger) };
  const command = [
    ...outer,
    recording(parts.recorder, parts.refusals),
    ...admission,
    ...once,
    ...execution(parts, { outages: outages.commands, tokens }),
  ];
  const query = [
    ...outer,
    ...admission,
    ...(parts.cache ? [cache(parts.cache)] : []),
    consistency(parts.reads, {
      tokens: parts.tokens,
      declared: parts.declared,
      report: parts.reading,
      outages: outages.queries,
    }),
    handlerTrace(),
  ];
  const [commands, queries] = inOrder(
    [
      { name: 'commands', kind: 'command', list: command },
      { name: 'queries', kind: 'query', list: query },
    ],
    parts.middleware ?? [],
  );
  return { command: commands?.list ?? [], query: queries?.list ?? [], rerun: rerunPipeline(parts) };
}

/**
 * What a recorded command passes that is run again: the caller is the recorded one, and whoever runs it again keeps the outcome. No middleware
 * of an application is part of it: what these do was done when the command was sent.
 */
export function rerunPipeline(parts: Pick<PipelineParts, 'validation' | 'writes' | 'owners'>): readonly Middleware[] {
  const list = [parts.validation, authorization(parts.owners), ...execution(parts)];
  const given = ['errors', 'authentication', 'recording', 'tracing'];
  return inOrder([{ name: 'commands that are run again', kind: 'command', list, given }], [])[0]?.list ?? [];
}

const execution = (
  { writes }: Pick<PipelineParts, 'writes'>,
  told: { outages?: OutageLog; tokens?: AnswerTokens } = {},
): readonly Middleware[] => [retry(), unitOfWork(writes.unitOfWork, told), handlerTrace()];
