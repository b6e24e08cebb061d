import { isSigningKey, type SigningKey, type VerifyingKey } from './signing-key.ts';

/**
 * The keys of this installation. One signs, and all verify: what an earlier key signed, and what other instances sign with the next
 * one already.
 */
export interface KeyRing {
  /** Signs tokens, the seals of the log and the marks of what was pruned. */
  readonly current: SigningKey;
  /** Every private key, the current one first: whose tokens and page tokens are good, and what is published. */
  readonly active: readonly SigningKey[];
  /** By `kid`, those and the public halves of retired keys, which verify seals and marks, and no tokens. */
  readonly all: ReadonlyMap<string, VerifyingKey>;
}

/** `others` verify: with a private key tokens and seals, with a public half seals alone. Keys that are there twice count once. */
export function createKeyRing(current: SigningKey, others: readonly (SigningKey | VerifyingKey)[] = []): KeyRing {
  const active = byId([current, ...others.filter(isSigningKey)]);
  return { current, active: [...active.values()], all: new Map([...byId(others), ...active]) };
}

function byId<Key extends VerifyingKey>(keys: readonly Key[]): Map<string, Key> {
  return new Map(keys.map((key) => [key.publicJwk.kid, key]));
}
