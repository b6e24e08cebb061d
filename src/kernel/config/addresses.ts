import { parseAddress } from '../doors/address.ts';
import { type AllowedHosts, parseAllowedHosts } from '../doors/allowed-hosts.ts';
import { parseOrigins } from '../doors/connect/cross-origin.ts';
import type { SettingsReader } from '../settings.ts';

/** Where the service answers, and whom. */
export interface Addresses {
  readonly grpcAddress: string;
  readonly httpAddress: string;
  /** For probes; undefined is nowhere but at the doors. */
  readonly healthAddress: string | undefined;
  /** For scrapes of the metrics; undefined is nowhere. */
  readonly metricsAddress: string | undefined;
  /** The hosts that the HTTP door answers under; undefined is decided by its address. */
  readonly allowedHosts: AllowedHosts | undefined;
  /** Origins whose pages may call from browsers. */
  readonly corsOrigins: readonly string[];
}

export function readAddresses({ text, checked, listed }: SettingsReader): Addresses {
  const address = (name: string, fallback: string): string =>
    checked(name, fallback, isAddress, 'has to be host:port, e.g. 127.0.0.1:50051');
  return {
    grpcAddress: address('GRPC_ADDRESS', '127.0.0.1:50051'),
    httpAddress: address('HTTP_ADDRESS', '127.0.0.1:8080'),
    healthAddress: text('HEALTH_ADDRESS') === undefined ? undefined : address('HEALTH_ADDRESS', ''),
    metricsAddress: text('METRICS_ADDRESS') === 'off' ? undefined : address('METRICS_ADDRESS', '127.0.0.1:9464'),
    allowedHosts: listed('ALLOWED_HOSTS', parseAllowedHosts, 'names like api.example.org,*.example.org without ports, or *'),
    corsOrigins:
      listed('CORS_ORIGINS', parseOrigins, 'origins like https://app.example.org without a path; * is not allowed') ?? [],
  };
}

function isAddress(value: string): boolean {
  try {
    parseAddress(value);
    return true;
  } catch {
    return false;
  }
}
