import type { ForwardedHeader } from '../doors/proxies/forwarded.ts';
import { type ProxySettings, parseNetworks } from '../doors/proxies/trusted-proxies.ts';
import type { SettingsReader } from '../settings.ts';

const FORWARDED_HEADERS: readonly string[] = ['x-forwarded-for', 'forwarded'] satisfies ForwardedHeader[];

/** Whose word is taken about where calls come from; undefined: nobody's. */
export function readProxies({ text, listed, checked, problem }: SettingsReader): ProxySettings | undefined {
  const networks = listed(
    'TRUSTED_PROXIES',
    (value) => {
      const names = value.split(',').map((name) => name.trim());
      return parseNetworks(names) && names;
    },
    'addresses or networks like 10.0.0.0/8,2001:db8::1',
  );
  const isOneOf = (names: readonly string[]) => (value: string) => names.includes(value);
  const header = checked(
    'FORWARDED_HEADER',
    'x-forwarded-for',
    isOneOf(FORWARDED_HEADERS),
    `has to be ${FORWARDED_HEADERS.join(' or ')}`,
  );
  const protocol = checked('PROXY_PROTOCOL', 'off', isOneOf(['on', 'off']), 'has to be on or off');
  if (!networks) {
    for (const name of ['FORWARDED_HEADER', 'PROXY_PROTOCOL']) {
      if (text(name) && !text('TRUSTED_PROXIES')) problem(`${name} is set, but TRUSTED_PROXIES is not`);
    }
    return undefined;
  }
  return { networks, header: header as ForwardedHeader, proxyProtocol: protocol === 'on' };
}
