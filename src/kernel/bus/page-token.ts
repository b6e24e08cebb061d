import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { domainError, type FieldViolation } from './errors.ts';

const NONCE = 12;
const TAG = 16;
/** For so many tokens random bytes are drawn at once: a few cost as much as some thousand. */
const NONCES = 256;

/**
 * The page token of a request belongs to another list, filter or order. `PageTokens.open` throws it.
 *
 * ```ts
 * const after = request.pageToken ? pageTokens.open(['orders', request.status], request.pageToken) : undefined;
 * ```
 */
export class PageTokenInvalid extends domainError(ReasonSchema, Reason.PAGE_TOKEN_INVALID) {
  override readonly violations: readonly FieldViolation[] = [
    { field: 'page_token', description: 'is no token of this list with this filter and order; start again without it' },
  ];
  constructor() {
    super('the page token does not belong to this list');
  }
}

/** Makes and reads page tokens: opaque, tamper-proof and bound to one list (AIP-158). A token grants no right. */
export interface PageTokens {
  /** `list` says which rows in which order, `position` the last row given. */
  readonly seal: (list: readonly unknown[], position: readonly string[]) => string;
  /** The position sealed for the same list. Throws PageTokenInvalid. */
  readonly open: (list: readonly unknown[], token: string) => string[];
}

/**
 * Tokens are encrypted (AES-256-GCM), since a position can hold personal data, and authenticated together with their list. They are
 * made with `key`, of 32 bytes; those made with one of the others are read.
 */
export function createPageTokens(key: Buffer, others: readonly Buffer[] = []): PageTokens {
  const nextNonce = nonces();
  return {
    seal(list, position) {
      const nonce = nextNonce();
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(JSON.stringify(list)));
      const sealed = [nonce, cipher.update(JSON.stringify(position)), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat(sealed).toString('base64url');
    },
    open(list, token) {
      const bytes = Buffer.from(token, 'base64url');
      if (bytes.length <= NONCE + TAG || bytes.toString('base64url') !== token) throw new PageTokenInvalid();
      for (const candidate of [key, ...others]) {
        const position = decrypted(bytes, candidate, list);
        if (position) return position;
      }
      throw new PageTokenInvalid();
    },
  };
}

function nonces(): () => Buffer {
  let drawn = Buffer.alloc(0);
  return () => {
    if (drawn.length === 0) drawn = randomBytes(NONCE * NONCES);
    const nonce = drawn.subarray(0, NONCE);
    drawn = drawn.subarray(NONCE);
    return nonce;
  };
}

function decrypted(bytes: Buffer, key: Buffer, list: readonly unknown[]): string[] | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE), { authTagLength: TAG })
    .setAAD(Buffer.from(JSON.stringify(list)))
    .setAuthTag(bytes.subarray(-TAG));
  try {
    return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()]).toString());
  } catch {
    return undefined;
  }
}
