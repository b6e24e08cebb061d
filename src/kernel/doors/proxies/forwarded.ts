import { isIP } from 'node:net';

/** Where proxies write whom they had the request from: RFC 7239, or what was usual before. */
export type ForwardedHeader = 'forwarded' | 'x-forwarded-for';

/** More proxies than this stand before nobody. */
const MOST_HOPS = 32;

/** The addresses in the header, from the nearest; undefined for one that hides itself or is none. */
export function* forwardedAddresses(header: ForwardedHeader, value: string): Generator<string | undefined> {
  const hops = header === 'forwarded' ? forwardedFor(value) : value.split(',');
  for (const hop of hops.slice(-MOST_HOPS).reverse()) yield hop === undefined ? undefined : addressIn(hop.trim());
}

/** The address of `192.0.2.43`, `192.0.2.43:47011`, `2001:db8::17`, `[2001:db8::17]:4711`; undefined of `unknown` and `_hidden`. */
function addressIn(node: string): string | undefined {
  if (isIP(node) !== 0) return node;
  const [, ipv6, ipv4] = /^(?:\[([0-9a-f.:]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?$/i.exec(node) ?? [];
  const address = ipv6 ?? ipv4 ?? '';
  return isIP(address) !== 0 ? address : undefined;
}

/**
 * The `for` of each element (RFC 7239, 4). Commas and semicolons within quotes part nothing. Nothing is read from a header with a quote
 * that has no other: a caller would write one to have what the proxy adds taken into its own element.
 */
function forwardedFor(value: string): (string | undefined)[] {
  const parts = value.match(/"(?:[^"\\]|\\.)*"|[^",;]+|[,;]/g) ?? [];
  if (parts.join('') !== value) return [undefined];
  const elements: string[][] = [['']];
  for (const part of parts) {
    const element = elements.at(-1) ?? [];
    if (part === ',') elements.push(['']);
    else if (part === ';') element.push('');
    else element.push((element.pop() ?? '') + part);
  }
  return elements.map((pairs) => {
    for (const pair of pairs) {
      const [, quoted, token] = /^\s*for=(?:"((?:[^"\\]|\\.)*)"|([^"\s]*))\s*$/i.exec(pair) ?? [];
      if (quoted !== undefined || token !== undefined) return quoted?.replace(/\\(.)/g, '$1') ?? token;
    }
    return undefined;
  });
}
