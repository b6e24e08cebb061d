import { SignJWT } from 'jose';
import type { SigningKey } from './signing-key.ts';

/** The issuer of tokens where no service is named. */
export const OWN_ISSUER = 'bicameral';

/** `typ` of our tokens: no other kind of JWT signed with the same key is taken for one (RFC 9068, 2.1). */
export const ACCESS_TOKEN_TYPE = 'at+jwt';

/** A token ends 15 minutes after the second it was issued in. */
export const TOKEN_LIFETIME_MS = 15 * 60 * 1000;

/** No token of ours lives longer, whoever made it with our key: one that says so is refused, and the end of a session is remembered for so long. */
export const LONGEST_TOKEN_LIFETIME_MS = 24 * 60 * 60 * 1000;

/** What a token says. */
export interface AccessTokenClaims {
  readonly subject: string;
  readonly roles: readonly string[];
  /** How often the user's sessions had been ended when this one began, see `Sessions`. */
  readonly sessionEpoch: number;
  readonly now: Date;
  /** `jti`: names the token. */
  readonly id: string;
  /** `sid` (OpenID Connect Front-Channel Logout 1.0, 3): names the session that the token belongs to. Default: `id`. */
  readonly session?: string;
  /** `auth_time` (RFC 9068, 2.2.1): when a password was shown for this session. Undefined for a token that came without one. */
  readonly authenticatedAt?: Date | undefined;
  /** Default `TOKEN_LIFETIME_MS`; whole seconds. One above `LONGEST_TOKEN_LIFETIME_MS` is refused where it is used. */
  readonly lifetimeMs?: number;
}

export interface AccessToken {
  readonly token: string;
  readonly expiresAt: Date;
}

/** Makes access tokens. The same claims give the same token: Ed25519 signatures are deterministic (RFC 8032). */
export interface AccessTokenIssuer {
  readonly issue: (claims: AccessTokenClaims) => Promise<AccessToken>;
}

/** `service` is `iss` and `aud` of the tokens: they are for the service that issues them. */
export function createAccessTokenIssuer(key: SigningKey, service: string = OWN_ISSUER): AccessTokenIssuer {
  const header = { alg: key.publicJwk.alg, typ: ACCESS_TOKEN_TYPE, kid: key.publicJwk.kid };
  return {
    async issue({ subject, roles, sessionEpoch, now, id, session = id, authenticatedAt, lifetimeMs = TOKEN_LIFETIME_MS }) {
      const issuedAt = Math.floor(now.getTime() / 1000);
      const expiresAt = issuedAt + lifetimeMs / 1000;
      const authTime = authenticatedAt && { auth_time: Math.floor(authenticatedAt.getTime() / 1000) };
      const token = await new SignJWT({ roles: [...roles], epoch: sessionEpoch, sid: session, ...authTime })
        .setProtectedHeader(header)
        .setIssuer(service)
        .setAudience(service)
        .setSubject(subject)
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .setJti(id)
        .sign(key.privateKey);
      return { token, expiresAt: new Date(expiresAt * 1000) };
    },
  };
}
