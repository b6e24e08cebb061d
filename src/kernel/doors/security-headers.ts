/** A year, and hosts below this one too: what OWASP ASVS 5 (3.4.1) asks for. */
const HSTS = 'max-age=31536000; includeSubDomains';

/**
 * Headers of every answer over HTTP, whatever it is: browsers guess no type (WHATWG Fetch, nosniff) and nobody keeps what depends on who
 * asks (RFC 9111, 5.2.2.5). A page that may be kept says so itself.
 */
export const SECURITY_HEADERS = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' } as const;

/** Over TLS, browsers also stay with TLS (RFC 6797). */
export const SECURITY_HEADERS_OVER_TLS = { ...SECURITY_HEADERS, 'strict-transport-security': HSTS } as const;

/**
 * Of everything that a browser could be led to, which is all but a call by POST: no page embeds it, and it loads and tells nothing (CSP 3,
 * Referrer Policy; OWASP ASVS 5, 3.4.3, 3.4.5, 3.4.6).
 */
export const DOCUMENT_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
} as const;
