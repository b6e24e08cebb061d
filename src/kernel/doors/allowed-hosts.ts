import { isIP } from 'node:net';
import { BusError } from '../bus/errors.ts';

/** The service does not answer under this name (`host`): call it by its own. Its operator lists the names in ALLOWED_HOSTS. */
export class HostNotAllowed extends BusError {
  readonly reason = 'HOST_NOT_ALLOWED';
  readonly kind = 'denied';
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(host: string) {
    super('the service does not answer under this host name: see ALLOWED_HOSTS');
    this.metadata = { host };
  }
}

/** The names under which a service answers, in lower case: `api.example.org`, `*.example.org` for all below one, `*` for any. */
export type AllowedHosts = readonly string[];

const NAME = /^(\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/;

/** Reads `api.example.org,*.example.org`, without ports. Undefined when it is anything else. */
export function parseAllowedHosts(text: string): AllowedHosts | undefined {
  const names = text
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  return names.length > 0 && names.every((name) => NAME.test(name)) ? names : undefined;
}

/** Whether the names hold the host that a caller addressed (`Host` or `:authority`, with or without a port). */
export function allowsHost(allowed: AllowedHosts, authority: string): boolean {
  const host = hostOf(authority);
  return allowed.some(
    (name) =>
      name === '*' || name === host || (name.startsWith('*.') && host.length > name.length - 1 && host.endsWith(name.slice(1))),
  );
}

/**
 * Whether the host is this machine's own name or an address. A page elsewhere that has its name point here (DNS rebinding) is neither:
 * its browser goes on sending the page's name.
 */
export function isLocalHost(authority: string): boolean {
  const host = hostOf(authority);
  return host === 'localhost' || host.endsWith('.localhost') || isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0;
}

const hostOf = (authority: string): string => authority.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
