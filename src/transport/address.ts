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

/** Whether nothing but this machine reaches the host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
