import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { KNOWN_DAYS } from '../database/limits/guesses.ts';

const ID_BYTES = 16;
const EXPIRY_BYTES = 6;
const MAC_BYTES = 32;
const FORM = new RegExp(`^[\\w-]{${((ID_BYTES + EXPIRY_BYTES + MAC_BYTES) * 4) / 3}}$`);

/**
 * Tokens for devices that made a right guess at an account (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). A token
 * holds an id and the end of its time, and is good for the account it was made for.
 */
export interface Devices {
  /** A token that is good for 90 days; `id` when the device has one. */
  readonly issue: (account: Buffer, at: Date, id?: Buffer) => string;
  /** The id in the token; undefined when it is none of ours, another account's, or its time has passed. */
  readonly read: (account: Buffer, token: string | undefined, at: Date) => Buffer | undefined;
}

export function devices(key: Buffer): Devices {
  const mac = (account: Buffer, content: Buffer): Buffer =>
    createHmac('sha256', key).update('device\0').update(account).update(content).digest();
  return {
    issue(account, at, id = randomBytes(ID_BYTES)) {
      const expiry = Buffer.alloc(EXPIRY_BYTES);
      expiry.writeUIntBE(at.getTime() + KNOWN_DAYS * 86_400_000, 0, EXPIRY_BYTES);
      const content = Buffer.concat([id, expiry]);
      return Buffer.concat([content, mac(account, content)]).toString('base64url');
    },
    read(account, token, at) {
      if (token === undefined || !FORM.test(token)) return undefined;
      const bytes = Buffer.from(token, 'base64url');
      const content = bytes.subarray(0, ID_BYTES + EXPIRY_BYTES);
      if (!timingSafeEqual(bytes.subarray(content.length), mac(account, content))) return undefined;
      return content.readUIntBE(ID_BYTES, EXPIRY_BYTES) > at.getTime() ? content.subarray(0, ID_BYTES) : undefined;
    },
  };
}
