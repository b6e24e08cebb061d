import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { text } from 'node:stream/consumers';
import { createClient } from '@connectrpc/connect';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '#gen/grpc/health/v1/health_pb.js';
import { type Config, readConfig } from '../kernel/config.ts';
import type { Environment } from '../kernel/settings.ts';
import { escapedText } from '../kernel/telemetry/escaped-text.ts';
import { grpcConnection } from './service-client.ts';
import { readTrust, type Trust, type TrustFiles } from './trust.ts';

const PATIENCE_MS = 5_000;

/** What the service says of itself. `databases` is empty when the HTTP door does not answer. */
interface Status {
  readonly services: Readonly<Record<string, string>>;
  readonly databases: Readonly<Record<string, boolean>>;
}

/** `bicameral status` */
export async function printStatus(environment: Environment, options: TrustFiles & { json?: boolean }): Promise<void> {
  const config = readConfig(environment);
  const trust = await readTrust(config, options);
  const [services, databases] = await Promise.all([askHealth(config, trust), askDatabases(config, trust)]);
  const status: Status = { services, databases };
  process.stdout.write(escapedText(options.json ? `${JSON.stringify(status)}\n` : table(status)));
  if (Object.values(services).some((serving) => serving !== 'SERVING')) process.exitCode = 1;
}

/** The health service's list (gRFC A90), the whole server under `server`. */
async function askHealth(config: Config, trust: Trust | undefined): Promise<Record<string, string>> {
  const { transport, close } = grpcConnection(config, { trust });
  try {
    const { statuses } = await createClient(Health, transport).list({}, { timeoutMs: PATIENCE_MS });
    return Object.fromEntries(Object.entries(statuses).map(([name, { status }]) => [name || 'server', ServingStatus[status]]));
  } finally {
    close();
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

function table({ services, databases }: Status): string {
  const rows = [
    ...Object.entries(services).map(([name, status]) => ['service', name, status.toLowerCase().replace('_', ' ')]),
    ...Object.entries(databases).map(([name, up]) => ['database', name, up ? 'up' : 'unavailable']),
  ];
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map(([kind = '', name = '', state]) => `${kind.padEnd(width(0))}  ${name.padEnd(width(1))}  ${state}\n`).join('');
}
