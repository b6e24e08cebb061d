import { BlockList, isIP } from 'node:net';
import { type ForwardedHeader, forwardedAddresses } from './forwarded.ts';

/** Whose word about where a call comes from is taken. */
export interface ProxySettings {
  /** Addresses and networks of proxies: `10.0.0.0/8`, `2001:db8::1`. */
  readonly networks: readonly string[];
  /** The header in which they say it. One only: a proxy passes on what it does not know, and then a caller could write it. */
  readonly header: ForwardedHeader;
  /** Whether their connections begin with a PROXY protocol header. */
  readonly proxyProtocol: boolean;
}

/**
 * Finds out where a call comes from when it came by way of proxies: of all addresses on its way, from the nearest, the first that is no
 * trusted proxy's. What a caller writes into the header itself stands further away than that and is not looked at.
 */
export class TrustedProxies {
  readonly #settings: ProxySettings;
  readonly #list: BlockList;
  /** What the PROXY protocol said of a connection, by the address and port that it has here. */
  readonly #announced = new Map<string, string>();

  constructor(settings: ProxySettings) {
    this.#settings = settings;
    this.#list = parseNetworks(settings.networks) ?? new BlockList();
  }

  get header(): ForwardedHeader {
    return this.#settings.header;
  }

  trusts(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, version === 6 ? 'ipv6' : 'ipv4');
  }

  /** Whether the connection of this address has to begin with a PROXY protocol header. */
  expectsHeader(address: string): boolean {
    return this.#settings.proxyProtocol && this.trusts(address);
  }

  /** Notes what the PROXY protocol said of a connection. Answers what forgets it, for when it is closed. */
  announce(connection: string, source: string): () => void {
    this.#announced.set(connection, source);
    return () => this.#announced.delete(connection);
  }

  /** `connection` is the other side of it, `header` the value of the header that proxies write. Answers an address, with a port if known. */
  callerOf(connection: string, header: string | undefined): string {
    const source = this.#announced.get(connection) ?? connection;
    if (header === undefined || !this.trusts(addressOf(source))) return source;
    let nearest = source;
    for (const address of forwardedAddresses(this.#settings.header, header)) {
      if (address === undefined) break;
      nearest = isIP(address) === 6 ? `[${address}]` : address;
      if (!this.trusts(address)) break;
    }
    return nearest;
  }
}

/** Reads addresses and networks in CIDR notation; undefined when one is neither. */
export function parseNetworks(networks: readonly string[]): BlockList | undefined {
  const list = new BlockList();
  for (const network of networks) {
    const [, address = '', digits] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(network) ?? [];
    const version = isIP(address);
    const bits = version === 6 ? 128 : 32;
    const prefix = digits === undefined ? bits : Number(digits);
    if (version === 0 || prefix > bits) return undefined;
    list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** Without the port; connections have IPv6 addresses without brackets. */
const addressOf = (source: string): string => source.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
