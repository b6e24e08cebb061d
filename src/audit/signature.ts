import { sign, verify } from 'node:crypto';
import type { SigningKey } from '../auth/signing-key.ts';

/** Who signed what, Ed25519 (RFC 8032). */
export interface Signature {
  readonly signature: Buffer;
  /** RFC 7638 thumbprint of the key, as in /.well-known/jwks.json. */
  readonly keyId: string;
}

/** The half of the service's key that signatures are checked with. */
export type VerifyingKey = Pick<SigningKey, 'publicKey' | 'publicJwk'>;

export function signed(data: Buffer, { privateKey, publicJwk }: SigningKey): Signature {
  return { signature: sign(null, data, privateKey), keyId: publicJwk.kid };
}

/** What is wrong with a signature, for people; undefined when it is good. Checked on another thread, because logs hold many. */
export async function signatureProblem(
  data: Buffer,
  { signature, keyId }: Signature,
  { publicKey, publicJwk }: VerifyingKey,
): Promise<string | undefined> {
  if (keyId !== publicJwk.kid) return `is signed with the key ${keyId}, and that of the service is ${publicJwk.kid}`;
  const isGood = await new Promise<boolean>((resolve, reject) => {
    verify(null, data, publicKey, signature, (error, result) => (error ? reject(error) : resolve(result)));
  });
  return isGood ? undefined : "does not bear the signature of the service's key";
}
