import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Authority, createAuthority } from '../../../src/kernel/auth/authority.ts';
import type { VerifiedToken } from '../../../src/kernel/auth/token-verifier.ts';
import { eventually } from '../../support/eventually.ts';

const ada = { id: 'ada', roles: [], permissions: new Set<string>(), session: 's1' };

describe('the authority of a token', () => {
  let listeners: Map<string, () => void>;
  let ended: boolean;
  let open: boolean | Promise<boolean>;
  let now: number;
  let authority: Authority;
  let reasons: unknown[];
  beforeEach(() => {
    listeners = new Map();
    ended = false;
    open = true;
    now = 1_000;
    reasons = [];
    authority = createAuthority({
      tokens: { verify: (token) => (token === 'own' ? own() : foreign()) },
      sessions: {
        hasEnded: () => ended,
        onEnded: (userId, listener) => {
          listeners.set(userId, listener);
          return () => listeners.delete(userId);
        },
        isOpen: () => open,
      },
      now: () => now,
    });
  });

  const own = (expiresAt = 1_000_000): VerifiedToken => ({ principal: ada, expiresAt, issuer: 'own', epoch: 1 });
  const foreign = (): VerifiedToken => ({ principal: ada, expiresAt: 1_000_000, issuer: 'foreign', epoch: undefined });
  const hear = (reason: Error): void => void reasons.push((reason as { metadata?: { cause: string } }).metadata?.cause);

  it('admits at once, and refuses a session that has ended', () => {
    expect(authority.admit('own')).toEqual(own());
    ended = true;
    expect(() => authority.admit('own')).toThrow(expect.objectContaining({ metadata: { cause: 'REVOKED' } }));
  });

  it('asks about the account of a foreign token, and about no session', async () => {
    ended = true;
    expect(authority.admit('foreign')).toEqual(foreign());
    open = Promise.resolve(true);
    expect(await authority.admit('foreign')).toEqual(foreign());
    for (open of [false, Promise.resolve(false)]) {
      await expect(async () => await authority.admit('foreign')).rejects.toMatchObject({ metadata: { cause: 'SUSPENDED' } });
    }
  });

  it('ends once, when the session has ended and not when another one has', async () => {
    authority.onEnd(own(), hear);
    const told = listeners.get('ada');
    told?.();
    await sleep(1);
    expect(reasons).toEqual([]);
    ended = true;
    told?.();
    told?.();
    await eventually(() => expect(reasons).toEqual(['REVOKED']));
    expect(listeners.size).toBe(0);
  });

  it('ends when the account of a foreign token is closed, also when that cannot be found out', async () => {
    authority.onEnd(foreign(), hear);
    open = Promise.resolve(false);
    listeners.get('ada')?.();
    await eventually(() => expect(reasons).toEqual(['SUSPENDED']));

    authority.onEnd(foreign(), hear);
    open = Promise.reject(new Error('the database is away'));
    listeners.get('ada')?.();
    await eventually(() => expect(reasons).toEqual(['SUSPENDED', undefined]));
  });

  it('ends with the time of the token, and not before by a timer that is early', async () => {
    authority.onEnd(own(now + 5), hear);
    await sleep(20);
    expect(reasons).toEqual([]);
    now += 5;
    await eventually(() => expect(reasons).toEqual(['EXPIRED']));
  });

  it('waits for a time that no timer can hold', async () => {
    const forget = authority.onEnd(own(now + 2 ** 40), hear);
    await sleep(5);
    expect(reasons).toEqual([]);
    forget();
  });

  it('says nothing any more once it is forgotten', async () => {
    const forget = authority.onEnd(own(now + 5), hear);
    forget();
    now += 10;
    ended = true;
    await sleep(20);
    expect(reasons).toEqual([]);
    expect(listeners.size).toBe(0);
  });
});
