import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { fromBinary } from '@bufbuild/protobuf';
import { ExportTraceServiceRequestSchema } from '../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.js';
import type { AnyValue, KeyValue } from '../gen/opentelemetry/proto/common/v1/common_pb.js';
import { type Span, Span_SpanKind, Status_StatusCode } from '../gen/opentelemetry/proto/trace/v1/trace_pb.js';
import { eventually } from './eventually.ts';
import type { SeenSpan } from './traces.ts';

/** A collector of the test's own: it takes spans by OTLP over HTTP and keeps what it reads in the bytes. */
export interface TraceReceiver extends AsyncDisposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  readonly port: number;
  /** All that came so far. */
  readonly spans: () => readonly SeenSpan[];
  /** All bytes that came, as text: what a secret would be found in. */
  readonly received: () => string;
  /** How many requests came. */
  readonly requests: () => number;
  /** Resolves with a trace when the expectation about it holds. */
  readonly trace: (traceId: string, expectation?: (spans: readonly SeenSpan[]) => void) => Promise<readonly SeenSpan[]>;
  readonly forget: () => void;
}

/** `answer` is the status of its answers; 0 takes the spans and answers nothing. */
export async function startTraceReceiver({
  port = 0,
  answer = 200,
}: {
  port?: number;
  answer?: number;
} = {}): Promise<TraceReceiver> {
  let spans: SeenSpan[] = [];
  let requests = 0;
  let bytes: Buffer[] = [];
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    requests += 1;
    if (answer === 200) {
      bytes.push(body);
      spans.push(...spansOf(body));
    }
    if (answer !== 0) response.writeHead(answer, { 'content-type': 'application/x-protobuf' }).end();
  });
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  const { port: taken } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${taken}`,
    port: taken,
    spans: () => spans,
    received: () => Buffer.concat(bytes).toString('latin1'),
    requests: () => requests,
    async trace(traceId, expectation = () => {}) {
      let found: readonly SeenSpan[] = [];
      await eventually(() => {
        found = spans.filter((span) => span.traceId === traceId);
        expectation(found);
      });
      return found;
    },
    forget: () => {
      spans = [];
      bytes = [];
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function spansOf(body: Uint8Array): SeenSpan[] {
  const { resourceSpans } = fromBinary(ExportTraceServiceRequestSchema, body);
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const about = valuesOf(resource?.attributes ?? []);
    return scopeSpans.flatMap((scope) => scope.spans.map((span) => seen(span, about)));
  });
}

function seen(span: Span, resource: Readonly<Record<string, unknown>>): SeenSpan {
  return {
    service: String(resource['service.name']),
    name: span.name,
    kind: (Span_SpanKind[span.kind] ?? '').toLowerCase() as SeenSpan['kind'],
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentId: hex(span.parentSpanId) || undefined,
    startedAt: span.startTimeUnixNano,
    durationUs: Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1000,
    failed: span.status?.code === Status_StatusCode.ERROR,
    attributes: { ...valuesOf(span.attributes), resource },
    links: span.links.map(({ traceId, spanId }) => ({ traceId: hex(traceId), spanId: hex(spanId) })),
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const valuesOf = (attributes: readonly KeyValue[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));

function plain(any: AnyValue | undefined): unknown {
  const value = any?.value.value;
  return typeof value === 'bigint' ? Number(value) : value;
}
