import type { HttpRequest } from './http-route.ts';

/** An absolute request target, without the user information that none may have (RFC 9110, 4.2.4). */
const ABSOLUTE = /^https?:\/\/([^/?#@]+)(.*)$/i;

/**
 * The host that a request addresses, with its port. Undefined when it has several Host headers, of which the service and a proxy could
 * each take another (RFC 9112, 3.2).
 *
 * A target in absolute form counts in place of the header (RFC 9112, 3.2.2). The request has its path alone afterwards.
 */
export function takeHost(request: HttpRequest): string | undefined {
  const { headers } = request;
  if ('stream' in request) return String(headers[':authority'] ?? headers.host ?? '');
  if (hasSeveralHosts(request.rawHeaders)) return undefined;
  const [, authority, path = ''] = request.url?.startsWith('/') ? [] : (ABSOLUTE.exec(request.url ?? '') ?? []);
  if (authority !== undefined) {
    headers.host = authority;
    request.url = path.startsWith('/') ? path : `/${path}`;
  }
  return headers.host ?? '';
}

/** Node keeps the first alone. */
function hasSeveralHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts > 1;
}
