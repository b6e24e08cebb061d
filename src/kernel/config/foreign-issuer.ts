import type { SettingsReader } from '../settings.ts';
import { together } from './together.ts';

/** Somebody else whose tokens count. */
export interface ForeignIssuer {
  readonly jwksUrl: URL;
  readonly issuer: string;
  readonly audience: string;
  readonly tokenType: string;
  readonly maxAgeMs: number;
}

export function readForeignIssuer(reader: SettingsReader): ForeignIssuer | undefined {
  const { text, checked, problem } = reader;
  const tokenType = checked('AUTH_TOKEN_TYPE', 'at+jwt', isTokenType, 'has to be a media type, e.g. at+jwt or JWT');
  const tokenMinutes = checked('AUTH_TOKEN_MINUTES', '60', isMinutes, 'has to be a whole number of minutes from 1 to 44640');
  const maxAgeMs = Number(tokenMinutes) * 60_000;
  for (const name of ['AUTH_TOKEN_TYPE', 'AUTH_TOKEN_MINUTES']) {
    if (text(name) && !text('AUTH_ISSUER')) problem(`${name} is set, but AUTH_ISSUER is not`);
  }
  return together(reader, ['AUTH_JWKS_URL', 'AUTH_ISSUER', 'AUTH_AUDIENCE'], ([jwksUrl, issuer, audience]) => {
    if (!isKeySource(jwksUrl)) problem('AUTH_JWKS_URL has to be an https URL; http only on this machine');
    return { jwksUrl: URL.parse(jwksUrl) ?? new URL('https://invalid'), issuer, audience, tokenType, maxAgeMs };
  });
}

/** As in a header `typ` (RFC 7515, 4.1.9): `application/` may be left out. */
const isTokenType = (value: string): boolean => /^[\w!#$&^.+-]+(\/[\w!#$&^.+-]+)?$/.test(value);

/** 31 days: a token that counts for longer is a password. */
const isMinutes = (value: string): boolean => /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 31 * 24 * 60;

function isUrl(value: string, protocols: readonly string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

/** Keys that came over an open network could be anybody's. */
function isKeySource(value: string): boolean {
  if (isUrl(value, ['https:'])) return true;
  return isUrl(value, ['http:']) && ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(value).hostname);
}
