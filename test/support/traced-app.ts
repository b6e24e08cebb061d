import type { Config } from '../../src/kernel/config.ts';
import type { Application } from '../../src/kernel/service.ts';
import { startTestApp, type TestApp } from './test-app.ts';
import { startTraceReceiver, type TraceReceiver } from './trace-receiver.ts';

/** The whole program in this process, with a collector of its own that gets every span at once. */
export interface TracedApp extends AsyncDisposable {
  readonly app: TestApp;
  readonly collector: TraceReceiver;
}

/** `variables` of OpenTelemetry count while it starts. */
export async function startTracedApp({
  variables = {},
  trustRemote = false,
  ...options
}: {
  variables?: Record<string, string>;
  trustRemote?: boolean;
  limits?: Partial<Config['limits']>;
  as?: Application;
} = {}): Promise<TracedApp> {
  await using resources = new AsyncDisposableStack();
  const collector = resources.use(await startTraceReceiver());
  const before = { ...process.env };
  Object.assign(process.env, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_BSP_SCHEDULE_DELAY: '20', ...variables });
  const app = await startTestApp({ tracing: { on: true, trustRemote }, ...options });
  resources.defer(() => app.stop());
  process.env = before;
  const started = resources.move();
  return { app, collector, [Symbol.asyncDispose]: () => started.disposeAsync() };
}
