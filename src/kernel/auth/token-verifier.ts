import type { KeyObject } from 'node:crypto';
import {
  createRemoteJWKSet,
  decodeJwt,
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../bus/principal.ts';
import { ACCESS_TOKEN_TYPE, LONGEST_TOKEN_LIFETIME_MS, OWN_ISSUER } from './access-token.ts';
import { IssuerUnavailable, TokenInvalid } from './errors.ts';
import type { Roles } from './roles.ts';
import type { SigningKey } from './signing-key.ts';

/** A token whose signature, issuer, audience and times are good. */
export interface VerifiedToken {
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly issuer: 'own' | 'foreign';
  /** Session epoch of the user when the token was made, see `Sessions`; foreign tokens have none. */
  readonly epoch: number | undefined;
}

/** Another issuer whose tokens are accepted. All three are needed: its keys alone do not say that a token is meant for us. */
export interface ForeignIssuer {
  /** AUTH_ISSUER: their `iss`. */
  readonly issuer: string;
  /** AUTH_AUDIENCE: what their `aud` has to hold. */
  readonly audience: string;
  /** AUTH_JWKS_URL. */
  readonly jwksUrl: URL;
  /** AUTH_TOKEN_TYPE: what the header of their access tokens has as `typ`, which tells them from ID tokens (RFC 9068, 4). */
  readonly tokenType: string;
  /** AUTH_TOKEN_MINUTES, in milliseconds: no token counts longer after it was issued, whatever its `exp`. */
  readonly maxAgeMs: number;
}

export interface TokenVerifier {
  /**
   * Answers at once for a token seen before, else after its signature is checked.
   * Throws or rejects with TokenInvalid, or IssuerUnavailable.
   */
  readonly verify: (token: string) => VerifiedToken | Promise<VerifiedToken>;
}

/** Longer ones are refused unread. */
const MAX_TOKEN_LENGTH = 8192;

/** A key that its issuer withdrew is trusted no longer than this. */
const MAX_CACHED_MS = 10 * 60 * 1000;

/** Clocks of other issuers may differ from ours by this much (RFC 7519, 4.1.4). */
const FOREIGN_CLOCK_TOLERANCE_S = 5;

/** Clocks of our own instances may differ by this much: a token that was issued later than that is none of theirs. */
const OWN_CLOCK_TOLERANCE_MS = 60_000;

/** RFC 9864 names Ed25519; EdDSA is its name from before. */
const OWN_ALGORITHMS = ['Ed25519', 'EdDSA'];
const FOREIGN_ALGORITHMS = [...OWN_ALGORITHMS, 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'];

/** Checks tokens of this installation's keys and, if one is configured, of a foreign issuer. Their header chooses among those by `kid`; without one, it is the first of them. */
export function createTokenVerifier(options: {
  /** The service: `iss` and `aud` of its own tokens. */
  readonly issuer?: string;
  readonly keys: readonly SigningKey[];
  readonly roles: Pick<Roles, 'permissionsOf'>;
  readonly foreign?: ForeignIssuer | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly maxCached?: number;
}): TokenVerifier {
  const { issuer = OWN_ISSUER, keys, roles, foreign, now, maxCached = 10_000 } = options;
  const { permissionsOf } = roles;
  if (foreign?.issuer === issuer) throw new Error(`AUTH_ISSUER cannot be ${issuer}: that is this service itself`);
  const cache = new LRUCache<string, { readonly verified: VerifiedToken; readonly until: number }>({ max: maxCached });
  const verifyForeign = foreign && foreignVerification({ foreign, permissionsOf, now });

  async function check(token: string): Promise<VerifiedToken> {
    const verified = await byIssuer(token);
    cache.set(token, { verified, until: Math.min(verified.expiresAt, now() + MAX_CACHED_MS) });
    return verified;
  }

  async function byIssuer(token: string): Promise<VerifiedToken> {
    try {
      const { iss } = decodeJwt(token);
      if (iss === issuer) return await verifyOwn(token, { issuer, keys, permissionsOf, now });
      if (foreign && iss === foreign.issuer && verifyForeign) return await verifyForeign(token);
    } catch (error) {
      throw refusal(error);
    }
    throw new TokenInvalid('UNTRUSTED');
  }

  return {
    verify(token) {
      if (token.length > MAX_TOKEN_LENGTH) throw new TokenInvalid('MALFORMED');
      const cached = cache.get(token);
      if (cached && now() < cached.until) return cached.verified;
      return check(token);
    },
  };
}

type Known = Pick<Roles, 'permissionsOf'> & { readonly now: () => number };

async function verifyOwn(
  token: string,
  { issuer, keys, permissionsOf, now }: Known & { readonly issuer: string; readonly keys: readonly SigningKey[] },
): Promise<VerifiedToken> {
  const findKey = ({ kid }: JWTHeaderParameters): KeyObject => {
    const key = kid === undefined ? keys[0] : keys.find(({ publicJwk }) => publicJwk.kid === kid);
    if (!key) throw new TokenInvalid('UNTRUSTED');
    return key.publicKey;
  };
  const { payload } = await jwtVerify(token, findKey, {
    algorithms: OWN_ALGORITHMS,
    issuer,
    audience: issuer,
    typ: ACCESS_TOKEN_TYPE,
    requiredClaims: ['sub', 'iat', 'exp', 'jti', 'epoch'],
    currentDate: new Date(now()),
  });
  const { epoch, sid = payload.jti, iat = 0 } = payload;
  if (!Number.isSafeInteger(epoch) || typeof sid !== 'string') throw new TokenInvalid('UNTRUSTED');
  const expiresAt = expiry(payload);
  const issuedAt = iat * 1000;
  // Whoever holds the key can sign for any time; a token that outlives what is remembered of ended sessions could not be ended.
  if (issuedAt > now() + OWN_CLOCK_TOLERANCE_MS || expiresAt - issuedAt > LONGEST_TOKEN_LIFETIME_MS)
    throw new TokenInvalid('UNTRUSTED');
  return { principal: { ...principal(payload, permissionsOf), session: sid }, expiresAt, issuer: 'own', epoch: epoch as number };
}

function foreignVerification({
  foreign,
  permissionsOf,
  now,
}: Known & { readonly foreign: ForeignIssuer }): (token: string) => Promise<VerifiedToken> {
  const keys = createRemoteJWKSet(foreign.jwksUrl, { timeoutDuration: 3000 });
  const options: JWTVerifyOptions = {
    algorithms: FOREIGN_ALGORITHMS,
    issuer: foreign.issuer,
    audience: foreign.audience,
    requiredClaims: ['sub', 'iat', 'exp'],
    typ: foreign.tokenType,
    maxTokenAge: foreign.maxAgeMs / 1000,
    clockTolerance: FOREIGN_CLOCK_TOLERANCE_S,
  };
  const findKey: JWTVerifyGetKey = async (header, token) => {
    try {
      return await keys(header, token);
    } catch (error) {
      // A key that the published set lacks, or has in a form we cannot use, is the token's fault: the issuer did answer.
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (error instanceof errors.JOSENotSupported) throw error;
      throw new IssuerUnavailable(error);
    }
  };
  return async (token) => {
    const { payload } = await jwtVerify(token, findKey, { ...options, currentDate: new Date(now()) });
    const end = Math.min(expiry(payload), (payload.iat ?? 0) * 1000 + foreign.maxAgeMs);
    const expiresAt = end + FOREIGN_CLOCK_TOLERANCE_S * 1000;
    // Sessions of theirs are not ours to keep or to end, and their names need not be UUIDs.
    return { principal: principal(payload, permissionsOf), expiresAt, issuer: 'foreign', epoch: undefined };
  };
}

function principal(
  { iss = '', sub = '', jti = '', roles: claim, auth_time: authTime }: JWTPayload,
  permissionsOf: Roles['permissionsOf'],
): Principal {
  // jose checks no types but those of times; an empty id would be that of an anonymous caller.
  if (!isSubject(sub) || typeof jti !== 'string') throw new TokenInvalid('UNTRUSTED');
  const roles = Array.isArray(claim) ? claim.filter((role) => typeof role === 'string') : [];
  const authenticated = typeof authTime === 'number' && { authenticatedAt: new Date(authTime * 1000) };
  return { id: sub, roles, permissions: permissionsOf(roles), session: '', issuer: iss, ...authenticated };
}

const expiry = ({ exp = 0 }: JWTPayload): number => exp * 1000;

/** What jose found, without what it quotes: its errors hold the payload of the token. */
function refusal(error: unknown): Error {
  if (error instanceof TokenInvalid || error instanceof IssuerUnavailable) return error;
  if (error instanceof errors.JWTExpired) return new TokenInvalid('EXPIRED');
  if (error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid) return new TokenInvalid('MALFORMED');
  if (error instanceof errors.JOSEError) return new TokenInvalid('UNTRUSTED');
  // Text that reaches the crypto library can still be nonsense to it, e.g. a key of another curve than the algorithm's.
  return new TokenInvalid('UNTRUSTED');
}

/** At most 255 characters (OpenID Connect Core 1.0, 2), all of which can be stored. */
const isSubject = (sub: unknown): sub is string =>
  typeof sub === 'string' && sub !== '' && sub.length <= 255 && !sub.includes('\0') && sub.isWellFormed();
