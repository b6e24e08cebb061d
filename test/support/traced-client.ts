import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { parseAddress } from '../../src/kernel/doors/address.ts';
import { followCalls } from '../../src/kernel/telemetry/active-trace.ts';
import { clientSpans } from '../../src/kernel/telemetry/client-spans.ts';
import { startSdk } from '../../src/kernel/telemetry/sdk.ts';

/** A client in this process whose calls begin traces, under the name `client`. */
export interface TracedClient {
  readonly client: <S extends DescService>(service: S, token?: string) => Client<S>;
  /** Sends what was recorded. */
  readonly close: () => Promise<void>;
}

/** Its spans go to that collector, by OTLP over HTTP. */
export async function startTracedClient(grpcAddress: string, { endpoint }: { endpoint: string }): Promise<TracedClient> {
  followCalls();
  Object.assign(process.env, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: '20' });
  const sdk = await startSdk({ serviceName: 'client', trustRemote: false, logger: console });
  const baseUrl = `http://${grpcAddress}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager, interceptors: [clientSpans(parseAddress(grpcAddress))] });
  const authorized = (token: string): typeof transport => ({
    unary: (method, signal, timeoutMs, header, ...rest) =>
      transport.unary(method, signal, timeoutMs, withToken(header, token), ...rest),
    stream: (method, signal, timeoutMs, header, ...rest) =>
      transport.stream(method, signal, timeoutMs, withToken(header, token), ...rest),
  });
  return {
    client: (service, token) => createClient(service, token === undefined ? transport : authorized(token)),
    close: async () => {
      sessionManager.abort();
      await sdk.shutdown();
    },
  };
}

function withToken(header: ConstructorParameters<typeof Headers>[0], token: string): Headers {
  const headers = new Headers(header);
  headers.set('authorization', `Bearer ${token}`);
  return headers;
}
