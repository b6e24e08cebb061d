import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createKeyRing } from '../../../src/kernel/auth/key-ring.ts';
import { newKeyPem, parseKey, type SigningKey } from '../../../src/kernel/auth/signing-key.ts';
import {
  ConsistencyTokenExpired,
  ConsistencyTokenForeign,
  ConsistencyTokenInvalid,
} from '../../../src/kernel/consistency/errors.ts';
import { createConsistencyTokens, type TokenState } from '../../../src/kernel/consistency/token.ts';

const newKey = async (): Promise<SigningKey> => (await parseKey(newKeyPem())) as SigningKey;
const key = await newKey();
const ring = createKeyRing(key);

const SYSTEM = 7_412_345_678_901_234_567n;
const DAY = 24 * 3600 * 1000;
const state: TokenState = { systemIdentifier: SYSTEM, timeline: 3, lsn: 0x1_2345_6789n, position: 42n };

describe('consistency tokens', () => {
  const tokens = createConsistencyTokens(ring);

  it('give back what they were made of', () => {
    const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    const states = fc.record({
      systemIdentifier: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      timeline: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      lsn: uint64,
      position: uint64,
    });
    fc.assert(
      fc.property(states, (any) => {
        expect(tokens.open(tokens.seal(any), any.systemIdentifier)).toEqual({ ...any, issuedAt: expect.any(Number) });
      }),
    );
  });

  it('are refused when one bit differs, and for any garbage', () => {
    const bytes = Buffer.from(tokens.seal(state), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const forged = Buffer.from(bytes);
      forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const isOfDatabase = bit >> 3 >= 1 && bit >> 3 <= 8;
      expect(() => tokens.open(forged.toString('base64url'), SYSTEM)).toThrow(
        isOfDatabase ? ConsistencyTokenForeign : ConsistencyTokenInvalid,
      );
    }
    fc.assert(fc.property(fc.string(), (garbage) => expect(() => tokens.open(garbage, SYSTEM)).toThrow(ConsistencyTokenInvalid)));
  });

  it('are refused of a database that they only claim to be of', () => {
    const bytes = Buffer.from(tokens.seal({ ...state, systemIdentifier: 1n }), 'base64url');
    bytes.writeBigInt64BE(SYSTEM, 1);
    expect(() => tokens.open(bytes.toString('base64url'), SYSTEM)).toThrow(ConsistencyTokenInvalid);
  });

  it('tell together of everything that each tells of', () => {
    const told = (...states: Partial<TokenState>[]) =>
      tokens.open(states.map((one) => tokens.seal({ ...state, ...one })).join(', '), SYSTEM);
    expect(told({ lsn: 5n, position: 9n }, { lsn: 7n, position: 2n }, { lsn: 6n, position: 0n })).toEqual({
      ...state,
      lsn: 7n,
      position: 9n,
      positions: [9n, 2n],
      issuedAt: expect.any(Number),
    });
    const overFailover = told({ timeline: 3, lsn: 9n, position: 8n }, { timeline: 4, lsn: 7n, position: 2n });
    expect(overFailover).toMatchObject({ timeline: 4, lsn: 7n, position: 8n, earlier: [{ timeline: 3, lsn: 9n }] });
  });

  it('are refused together when one is no good, and when they are more than a client keeps', () => {
    const token = tokens.seal(state);
    expect(tokens.open(Array(8).fill(token).join(', '), SYSTEM)).toMatchObject(state);
    expect(tokens.open(`${token},${token}`, SYSTEM)).toMatchObject(state);
    expect(() => tokens.open(Array(9).fill(token).join(', '), SYSTEM)).toThrow(ConsistencyTokenInvalid);
    expect(() => tokens.open(`${token}, x`, SYSTEM)).toThrow(ConsistencyTokenInvalid);
    const foreign = tokens.seal({ ...state, systemIdentifier: 1n });
    expect(() => tokens.open(`${token}, ${foreign}`, SYSTEM)).toThrow(ConsistencyTokenForeign);
  });

  it('have one spelling', () => {
    const token = tokens.seal(state);
    for (const other of [`${token}=`, ` ${token}`, `${token}\n`, `${token}, `, `,${token}`])
      expect(() => tokens.open(other, SYSTEM)).toThrow(ConsistencyTokenInvalid);
  });

  it('of another database are called by that name, whoever made them', async () => {
    const foreign = { ...state, systemIdentifier: SYSTEM + 1n };
    const others = createConsistencyTokens(createKeyRing(await newKey()));
    for (const token of [tokens.seal(foreign), others.seal(foreign)])
      expect(() => tokens.open(token, SYSTEM)).toThrow(ConsistencyTokenForeign);
  });

  it('of this database under a key that the ring does not hold are refused', async () => {
    const others = createConsistencyTokens(createKeyRing(await newKey()));
    expect(() => tokens.open(others.seal(state), SYSTEM)).toThrow(ConsistencyTokenInvalid);
  });

  it('are good before, during and after a rotation of keys', async () => {
    const next = await newKey();
    const rings = [createKeyRing(key), createKeyRing(key, [next]), createKeyRing(next, [key])];
    const [before, during, after] = rings.map((each) => createConsistencyTokens(each));
    for (const maker of [before, during, after])
      for (const reader of [during, after]) expect(reader?.open(maker?.seal(state) ?? '', SYSTEM)).toMatchObject(state);
  });

  it('are good for a day, to the second', () => {
    let now = 1_800_000_000_000;
    const clocked = createConsistencyTokens(ring, () => now);
    const token = clocked.seal(state);
    now += DAY;
    expect(clocked.open(token, SYSTEM)).toMatchObject(state);
    now += 1000;
    expect(() => clocked.open(token, SYSTEM)).toThrow(ConsistencyTokenExpired);
  });

  it('of an instance whose clock is ahead are good', () => {
    const ahead = createConsistencyTokens(ring, () => Date.now() + 600_000);
    expect(tokens.open(ahead.seal(state), SYSTEM)).toMatchObject(state);
  });

  it('are the same for the same state, and new after a minute', () => {
    let now = 1_800_000_000_000;
    const clocked = createConsistencyTokens(ring, () => now);
    const token = clocked.seal(state);
    now += 59_000;
    expect(clocked.seal({ ...state })).toBe(token);
    now += 1_000;
    expect(clocked.seal(state)).not.toBe(token);
    for (const other of [
      { ...state, lsn: state.lsn + 1n },
      { ...state, position: 43n },
      { ...state, timeline: 4 },
      { ...state, systemIdentifier: 1n },
    ])
      expect(clocked.open(clocked.seal(other), other.systemIdentifier)).toMatchObject(other);
  });
});
