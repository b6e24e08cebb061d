import { sign, verify } from 'node:crypto';
import type { SigningKey, VerifyingKey } from '../../auth/signing-key.ts';

/** Who signed what, Ed25519 (RFC 8032). */
export interface Signature {
  readonly signature: Buffer;
  /** RFC 7638 thumbprint of the key, as in /.well-known/jwks.json. */
  readonly keyId: string;
}

/** The keys that may have signed, by `keyId`. What else is said of a key, such as by the database, proves nothing. */
export type VerifyingKeys = ReadonlyMap<string, VerifyingKey>;

export function signed(data: Buffer, { privateKey, publicJwk }: SigningKey): Signature {
  return { signature: sign(null, data, privateKey), keyId: publicJwk.kid };
}

/** What is wrong with a signature, for people; undefined when it is good. Checked on another thread, because logs hold many. */
export async function signatureProblem(
  data: Buffer,
  { signature, keyId }: Signature,
  keys: VerifyingKeys,
): Promise<string | undefined> {
  const key = keys.get(keyId);
  if (!key) return `is signed with the key ${keyId}, which the service does not hold`;
  const isGood = await new Promise<boolean>((resolve, reject) => {
    verify(null, data, key.publicKey, signature, (error, result) => (error ? reject(error) : resolve(result)));
  });
  return isGood ? undefined : `does not bear the signature of the key ${keyId}`;
}
