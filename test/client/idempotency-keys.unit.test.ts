import { describe, expect, it } from '@jest/globals';
import { idempotencyKeys, retries } from '../../src/client/index.ts';
import { scriptedUsers, unavailable } from './scripted-users.ts';

const keysOf = (asked: readonly Headers[]): (string | null)[] => asked.map((header) => header.get('idempotency-key'));

describe('idempotencyKeys', () => {
  it('gives each command a key of its own', async () => {
    const { commands, asked } = scriptedUsers([idempotencyKeys()]);
    await commands.changeName({});
    await commands.changeName({});
    const [first, second] = keysOf(asked);
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(second).toMatch(/^[0-9a-f]{32}$/);
    expect(first).not.toBe(second);
  });

  it.each([
    ['outside', [idempotencyKeys(), retries({ random: () => 0 })]],
    ['inside', [retries({ random: () => 0 }), idempotencyKeys()]],
  ])('gives a command that is sent again the same key, standing %s of the retries', async (_, interceptors) => {
    const { commands, asked } = scriptedUsers(interceptors, (count) => {
      if (count < 3) throw unavailable();
    });
    await commands.changeName({});
    expect(asked).toHaveLength(3);
    expect(new Set(keysOf(asked)).size).toBe(1);
    expect(keysOf(asked)[0]).not.toBeNull();
  });

  it('leaves the key that the caller sends', async () => {
    const { commands, asked } = scriptedUsers([idempotencyKeys()]);
    await commands.changeName({}, { headers: { 'idempotency-key': 'rename-1' } });
    expect(keysOf(asked)).toEqual(['rename-1']);
  });

  it('gives none to a command that returns a secret, and none to a query', async () => {
    const { commands, queries, asked } = scriptedUsers([idempotencyKeys()]);
    await commands.logIn({});
    await queries.getUser({});
    expect(keysOf(asked)).toEqual([null, null]);
  });

  it('takes the keys from the caller', async () => {
    let made = 0;
    const { commands, asked } = scriptedUsers([idempotencyKeys(() => `key-${++made}`)]);
    await commands.changeName({});
    expect(keysOf(asked)).toEqual(['key-1']);
  });
});
