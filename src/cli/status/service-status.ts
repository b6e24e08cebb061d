import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { text } from 'node:stream/consumers';
import { type CallOptions, Code, ConnectError, createClient } from '@connectrpc/connect';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '#gen/grpc/health/v1/health_pb.js';
import { type GetStatusResponse, QueryService } from '#gen/operations/v1/query_service_pb.js';
import type { Config } from '../../kernel/config.ts';
import type { Environment } from '../../kernel/settings.ts';
import { grpcConnection, type ServiceClient, serviceClient } from '../service-client.ts';
import type { Trust, TrustFiles } from '../trust.ts';

const PATIENCE_MS = 5_000;

/** What the service says of itself. */
export interface ServiceStatus {
  /** The whole server under `server`. */
  readonly services: Readonly<Record<string, string>>;
  /** Empty when the HTTP door does not answer. */
  readonly databases: Readonly<Record<string, boolean>>;
  /** All that operations.v1 tells. */
  readonly operations: GetStatusResponse | undefined;
  /** Why it tells nothing. */
  readonly notTold: string | undefined;
}

export interface StatusProblem {
  readonly subject: string;
  readonly description: string;
}

/** Everything that somebody has to look after, the worst first. */
export function problemsOf({ services, operations }: ServiceStatus): StatusProblem[] {
  const down = Object.entries(services).filter(([, state]) => state !== 'SERVING');
  return [
    ...down.map(([name, state]) => ({ subject: `service ${name}`, description: `is ${wordsOf(state)}` })),
    ...(operations?.problems ?? []),
  ];
}

/** `not serving` for NOT_SERVING. */
export const wordsOf = (state: string): string => state.toLowerCase().replaceAll('_', ' ');

/** Asks a service, again and again over the same connections. `ask` rejects when the gRPC door does not answer. */
export async function asks(parts: {
  config: Config;
  environment: Environment;
  options: TrustFiles;
  trust: Trust | undefined;
}): Promise<{ ask: () => Promise<ServiceStatus>; close: () => void }> {
  const { config, environment, options, trust } = parts;
  const health = grpcConnection(config, { trust });
  const operator = await asOperator(environment, options);
  return {
    ask: async () => {
      const [services, databases, operations] = await Promise.all([
        askHealth(health),
        askDatabases(config, trust),
        typeof operator === 'string' ? operator : askOperations(operator),
      ]);
      const isTold = typeof operations !== 'string';
      return { services, databases, operations: isTold ? operations : undefined, notTold: isTold ? undefined : operations };
    },
    close: () => {
      health.close();
      if (typeof operator !== 'string') operator.close();
    },
  };
}

/** Whoever cannot read the key can still see the health. Returns why not. */
async function asOperator(environment: Environment, options: TrustFiles): Promise<ServiceClient | string> {
  try {
    return await serviceClient(environment, { ...options, roles: ['operator'] });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The health service's list (gRFC A90). */
async function askHealth({ transport }: Pick<ReturnType<typeof grpcConnection>, 'transport'>): Promise<Record<string, string>> {
  const { statuses } = await createClient(Health, transport).list({}, { timeoutMs: PATIENCE_MS });
  return Object.fromEntries(Object.entries(statuses).map(([name, { status }]) => [name || 'server', ServingStatus[status]]));
}

/** Of now, or of what a replica knows while the primary is away. Returns why not, of a service that does not let itself be seen. */
async function askOperations({ client }: ServiceClient): Promise<GetStatusResponse | string> {
  const ask = (options: CallOptions): Promise<GetStatusResponse> =>
    client(QueryService).getStatus({}, { ...options, timeoutMs: PATIENCE_MS });
  try {
    return await ask({ headers: { 'cqrs-consistency': 'strong' } }).catch((error: unknown) => {
      if (error instanceof ConnectError && error.code === Code.Unavailable) return ask({});
      throw error;
    });
  } catch (error) {
    return error instanceof ConnectError ? error.rawMessage : String(error);
  }
}

async function askDatabases(config: Config, trust: Trust | undefined): Promise<Record<string, boolean>> {
  const url = `${trust ? 'https' : 'http'}://${config.httpAddress}/readyz`;
  const body = await new Promise<string>((resolve) => {
    const answered = (response: NodeJS.ReadableStream): void => {
      text(response).then(resolve, () => resolve('{}'));
    };
    const options = { ...trust, timeout: PATIENCE_MS };
    const request = trust ? httpsGet(url, options, answered) : httpGet(url, options, answered);
    request.on('error', () => resolve('{}'));
    request.on('timeout', () => request.destroy());
  });
  const { databases = {} } = JSON.parse(body) as { databases?: Record<string, boolean> };
  return databases;
}
