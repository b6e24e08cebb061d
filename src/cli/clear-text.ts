import type { Config } from '../kernel/config.ts';
import { isLoopback, parseAddress } from '../kernel/doors/address.ts';

/**
 * What an operator has to know who serves other machines in clear text, or undefined. With TRUSTED_PROXIES there is one in front that
 * can bring TLS.
 */
export function clearTextWarning({
  grpcAddress,
  httpAddress,
  tls,
  proxies,
}: Pick<Config, 'grpcAddress' | 'httpAddress' | 'tls' | 'proxies'>): string | undefined {
  if (tls || proxies) return undefined;
  const addresses = Object.entries({ GRPC_ADDRESS: grpcAddress, HTTP_ADDRESS: httpAddress });
  const open = addresses.filter(([, address]) => !isLoopback(parseAddress(address).host)).map(([name]) => name);
  if (open.length === 0) return undefined;
  return `${open.join(' and ')} can be reached from other machines in clear text: anybody on the way can read passwords and tokens. Set TLS_CERT_FILE and TLS_KEY_FILE, or name the proxy that terminates TLS in TRUSTED_PROXIES`;
}
