import { once } from 'node:events';
import { createServer } from 'node:net';

/** Another program, or another instance of this one, listens there already. */
export class AddressInUse extends Error {
  constructor(address: string) {
    super(`address in use: ${address}`);
    this.name = 'AddressInUse';
  }
}

/** Not of the form `host:port`; an IPv6 host stands in brackets. */
export class AddressInvalid extends Error {
  constructor(address: string) {
    super(`not an address of the form host:port: ${address}`);
    this.name = 'AddressInvalid';
  }
}

export function parseAddress(address: string): { host: string; port: number } {
  const [, ipv6, host = ipv6, digits = ''] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(address) ?? [];
  const port = Number(digits);
  if (!host || port > 65_535) throw new AddressInvalid(address);
  return { host, port };
}

/**
 * Throws AddressInUse when somebody listens there already, for programs that have long work to do before they listen themselves.
 * What else stands against an address is told when it is listened at.
 */
export async function refuseTaken(address: string): Promise<void> {
  const server = createServer();
  const failure = await once(server.listen(parseAddress(address)), 'listening').then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
  if (failure === undefined) await server[Symbol.asyncDispose]();
  if (failure === 'EADDRINUSE') throw new AddressInUse(address);
}

/** Whether nothing but this machine reaches the host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
