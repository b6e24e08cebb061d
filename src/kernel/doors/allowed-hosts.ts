import { isIP } from 'node:net';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { domainError } from '../bus/errors.ts';

export class HostNotAllowed extends domainError(ReasonSchema, Reason.HOST_NOT_ALLOWED) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(host: string) {
    super('the service does not serve this host name: see ALLOWED_HOSTS');
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
