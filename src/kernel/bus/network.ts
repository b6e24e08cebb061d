import { isIPv6 } from 'node:net';

/** The address without its port; of IPv6 the /64, since whoever has one address has all of them (RFC 6177). */
export function networkOf(peer: string): string {
  // The address of most callers: IPv4 and a port.
  const colon = peer.indexOf(':');
  if (colon > 0 && colon === peer.lastIndexOf(':')) return peer.slice(0, colon);
  const address = peer.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [front = '', back] = address.split('%', 1).join('').split('::');
  const head = front === '' ? [] : front.split(':');
  const tail = back ? back.split(':') : [];
  const groups = back === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
