import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { isIP } from 'node:net';
import { text } from 'node:stream/consumers';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { credentials, makeClientConstructor, type ServiceError } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { type Config, type Environment, readConfig } from '../config.ts';
import { parseAddress } from '../transport/address.ts';
import { readTrust, type Trust, type TrustFiles } from './trust.ts';

const PATIENCE_MS = 5_000;

/** What the service says of itself. `databases` is empty when the HTTP door does not answer. */
interface Status {
  readonly services: Readonly<Record<string, string>>;
  readonly databases: Readonly<Record<string, boolean>>;
}

class ServiceAway extends Error {
  constructor(address: string, cause: ServiceError) {
    super(`Nothing answers at ${address} (GRPC_ADDRESS): ${cause.details}`, { cause });
    this.name = 'ServiceAway';
  }
}

/** `bicameral status` */
export async function printStatus(environment: Environment, options: TrustFiles & { json?: boolean }): Promise<void> {
  const config = readConfig(environment);
  const trust = await readTrust(config, options);
  const [services, databases] = await Promise.all([askHealth(config, trust), askDatabases(config, trust)]);
  const status: Status = { services, databases };
  process.stdout.write(options.json ? `${JSON.stringify(status)}\n` : table(status));
  if (Object.values(services).some((serving) => serving !== 'SERVING')) process.exitCode = 1;
}

/** The health service's list (gRFC A90), the whole server under `server`. */
async function askHealth(config: Config, trust: Trust | undefined): Promise<Record<string, string>> {
  const Health = makeClientConstructor(healthService, 'grpc.health.v1.Health');
  const { host } = parseAddress(config.grpcAddress);
  const identity = { checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate) };
  const channel = trust ? credentials.createSsl(trust.ca, trust.key, trust.cert, identity) : credentials.createInsecure();
  // TLS takes no IP address for the name of a server, and grpc-js would give it one; whose certificate it is, is checked above.
  const client = new Health(config.grpcAddress, channel, isIP(host) ? { 'grpc.ssl_target_name_override': 'localhost' } : {});
  try {
    const { statuses } = await new Promise<{ statuses: Record<string, { status: string }> }>((resolve, reject) => {
      client.List?.({}, { deadline: Date.now() + PATIENCE_MS }, (error: ServiceError | null, answer: never) => {
        if (error) reject(new ServiceAway(config.grpcAddress, error));
        else resolve(answer);
      });
    });
    return Object.fromEntries(Object.entries(statuses).map(([name, { status }]) => [name || 'server', status]));
  } finally {
    client.close();
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
    ...Object.entries(databases).map(([name, up]) => ['database', name, up ? 'up' : 'away']),
  ];
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map(([kind = '', name = '', state]) => `${kind.padEnd(width(0))}  ${name.padEnd(width(1))}  ${state}\n`).join('');
}
