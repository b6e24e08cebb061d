import { setTimeout as sleep } from 'node:timers/promises';
import { createNoopMeter, type MeterProvider, propagation, type Tracer, trace } from '@opentelemetry/api';
import { getNumberFromEnv, getStringFromEnv, W3CTraceContextPropagator } from '@opentelemetry/core';
import type { Resource } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  SamplingDecision,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { ATTRIBUTE } from './attributes.ts';
import { lostSpans, PatientExporter } from './patient-exporter.ts';
import { resourceOf } from './resource.ts';

/** How long the last spans get to reach the collector when the program ends, in milliseconds. */
const FAREWELL = 1_000;
/** The longest delay of a timer, in milliseconds. */
const NEVER = 2 ** 31 - 1;

/** OpenTelemetry at work in this process. */
export interface Sdk {
  readonly tracer: Tracer;
  /** What this process is, as its spans say: which service, which version, which instance. */
  readonly resource: Resource;
  /** Sends what is left. Takes a second at most and never rejects, whatever became of the collector. */
  readonly shutdown: () => Promise<void>;
}

export interface SdkOptions {
  readonly serviceName: string;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** Whether a caller's word counts about what is recorded. */
  readonly trustRemote: boolean;
}

/**
 * Starts OpenTelemetry's Node.js SDK, as the variables `OTEL_*` say. Loading this file costs a tenth of a second: it is for processes that
 * send spans to a collector.
 *
 * Spans are made by hand (`spans.ts`), and nothing is instrumented: no import is patched.
 */
export async function startSdk({ serviceName, logger, trustRemote }: SdkOptions): Promise<Sdk> {
  const resource = resourceOf(serviceName);
  const exporter = new PatientExporter(await spanExporter(logger), { logger });
  const sampler = samplerByName(logger);
  const sdk = new NodeSDK({
    autoDetectResources: false,
    resource,
    sampler: trustRemote ? sampler : distrustful(sampler),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        // It is the exporter that does not give up.
        exportTimeoutMillis: NEVER,
        ...positive('maxQueueSize', 'OTEL_BSP_MAX_QUEUE_SIZE'),
        ...positive('scheduledDelayMillis', 'OTEL_BSP_SCHEDULE_DELAY'),
        ...positive('maxExportBatchSize', 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE'),
        selfObsMeterProvider: countingDrops(logger),
      }),
    ],
    // Without a word about them, it would make some that export to localhost.
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
    // `followCalls` has set one.
    contextManager: null as never,
    // Baggage of strangers is nothing to pass on.
    ...(getStringFromEnv('OTEL_PROPAGATORS') ? {} : { textMapPropagator: new W3CTraceContextPropagator() }),
  });
  sdk.start();

  return {
    tracer: trace.getTracer('bicameral'),
    resource,
    shutdown: async () => {
      exporter.stopTrying();
      await Promise.race([sdk.shutdown().catch(() => {}), sleep(FAREWELL, undefined, { ref: false })]);
      const lost = lostSpans.atStop + exporter.underWay;
      if (lost > 0) logger.warn({ spans: lost }, 'the last traces were lost: no collector took them');
      trace.disable();
      propagation.disable();
    },
  };
}

async function spanExporter(logger: Pick<Logger, 'warn'>): Promise<SpanExporter> {
  const protocol =
    getStringFromEnv('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ?? getStringFromEnv('OTEL_EXPORTER_OTLP_PROTOCOL') ?? 'http/protobuf';
  if (protocol === 'grpc') return new (await import('@opentelemetry/exporter-trace-otlp-grpc')).OTLPTraceExporter();
  if (protocol === 'http/json') return new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter();
  if (protocol !== 'http/protobuf')
    logger.warn({ protocol }, 'OTEL_EXPORTER_OTLP_PROTOCOL has to be http/protobuf, http/json or grpc; http/protobuf is used');
  return new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter();
}

function samplerByName(logger: Pick<Logger, 'warn'>): Sampler {
  const name = getStringFromEnv('OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on';
  const ratio = getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG') ?? 1;
  const roots: Record<string, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  const root = roots[name.replace(/^parentbased_/, '')];
  if (!root || ratio < 0 || ratio > 1) {
    logger.warn(
      { sampler: name, ratio },
      'OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG cannot be used; all traces are recorded',
    );
    return new ParentBasedSampler({ root: new AlwaysOnSampler() });
  }
  const sampler = name.startsWith('parentbased_') ? new ParentBasedSampler({ root: root() }) : root();
  return root === roots.always_off ? sampler : followingCauses(sampler);
}

/**
 * Records a reaction when the command is recorded that stored its event: its span begins a trace, and has a link to the other one. Otherwise
 * a ratio would lose nearly every second step of a chain.
 */
function followingCauses(sampler: Sampler): Sampler {
  return {
    shouldSample: (context, traceId, name, kind, attributes, links) => {
      const isCaused = attributes[ATTRIBUTE.reactor] !== undefined && links.length > 0;
      return isCaused
        ? { decision: SamplingDecision.RECORD_AND_SAMPLED }
        : sampler.shouldSample(context, traceId, name, kind, attributes, links);
    },
    toString: () => `FollowingCauses{${sampler}}`,
  };
}

/**
 * Decides of a call that came over a network as if it had no caller: a stranger who marks calls as sampled, or chooses ids that a ratio
 * lets through, does not decide what is recorded here. What is inside of a call goes with it.
 */
function distrustful(sampler: Sampler): Sampler {
  const ids = new RandomIdGenerator();
  const remote: Sampler = {
    shouldSample: (context, _, ...rest) => sampler.shouldSample(trace.deleteSpan(context), ids.generateTraceId(), ...rest),
    toString: () => `Distrustful{${sampler}}`,
  };
  return new ParentBasedSampler({ root: sampler, remoteParentSampled: remote, remoteParentNotSampled: remote });
}

function positive<Option extends string>(option: Option, variable: string): { [Name in Option]?: number } {
  const value = getNumberFromEnv(variable);
  return value !== undefined && value > 0 ? ({ [option]: value } as { [Name in Option]: number }) : {};
}

/** The processor tells what it drops by its own metrics only. */
function countingDrops(logger: Pick<Logger, 'warn'>): MeterProvider {
  const add = (count: number, attributes?: Readonly<Record<string, unknown>>): void => {
    if (attributes?.['error.type'] !== 'queue_full') return;
    if (lostSpans.queueFull === 0)
      logger.warn('traces are lost: the service makes more than the collector takes (OTEL_BSP_MAX_QUEUE_SIZE)');
    lostSpans.queueFull += count;
  };
  return { getMeter: () => Object.assign(createNoopMeter(), { createCounter: () => ({ add }) }) };
}
