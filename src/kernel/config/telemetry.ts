import type { Environment, SettingsReader } from '../settings.ts';
import { DEFAULT_LOG_LEVELS, LOG_LEVELS, type LogLevels, parseLogLevels } from '../telemetry/log-levels.ts';

/** What is told of the work of the service, and to whom. */
export interface TelemetryConfig {
  readonly logLevels: LogLevels;
  readonly tracing: Tracing;
  /** Whether metrics are sent to a collector besides, as the variables of OpenTelemetry say. */
  readonly pushesMetrics: boolean;
}

/** What becomes of spans. All else is said by the variables of OpenTelemetry, which its SDK reads itself. */
export interface Tracing {
  /** Whether they are sent to a collector. */
  readonly on: boolean;
  /** Whether a caller decides whether its calls are recorded. */
  readonly trustRemote: boolean;
}

export function readTelemetry({ checked }: SettingsReader, environment: Environment): TelemetryConfig {
  return {
    pushesMetrics: sendsMetrics(environment),
    tracing: {
      on: sendsTraces(environment),
      trustRemote:
        checked('TRACE_TRUST_REMOTE', 'false', (value) => value === 'true' || value === 'false', 'has to be true or false') ===
        'true',
    },
    logLevels:
      parseLogLevels(
        checked(
          'LOG_LEVEL',
          'info',
          (value) => parseLogLevels(value) !== undefined,
          `has to be one of ${LOG_LEVELS.join(', ')}, and may be followed by levels for calls: info,query=warn,command=debug,stream=info`,
        ),
      ) ?? DEFAULT_LOG_LEVELS,
  };
}

/** Whether the environment names a collector for traces: the standard variables of OpenTelemetry. */
export function sendsTraces(environment: Environment): boolean {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER } =
    environment;
  if (!OTEL_EXPORTER_OTLP_ENDPOINT && !OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return false;
  if (OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return false;
  return !OTEL_TRACES_EXPORTER || OTEL_TRACES_EXPORTER.split(',').some((name) => name.trim() === 'otlp');
}

/**
 * Whether the environment names a collector for metrics. OTEL_EXPORTER_OTLP_ENDPOINT alone is none: many collectors of traces take no metrics,
 * and these are on the page.
 */
function sendsMetrics({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, OTEL_METRICS_EXPORTER, ...others }: Environment): boolean {
  if (others.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return false;
  const names = OTEL_METRICS_EXPORTER?.split(',').map((name) => name.trim());
  if (names) return names.includes('otlp');
  return Boolean(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT);
}
