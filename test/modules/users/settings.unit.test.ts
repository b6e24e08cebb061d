import { describe, expect, it } from '@jest/globals';
import { readConfig } from '../../../src/kernel/config.ts';
import { users } from '../../../src/modules/users/module.ts';
import { DEFAULT_SETTINGS } from '../../../src/modules/users/settings.ts';

const read = (environment: Record<string, string>): unknown => readConfig(environment, [users]).settings.users;

describe('settings of the users module', () => {
  it('need nothing', () => {
    expect(read({})).toEqual(DEFAULT_SETTINGS);
  });

  it('say how long sessions last, and what is known of passwords', () => {
    const other = { AUTH_JWKS_URL: 'https://id.example.org/jwks', AUTH_ISSUER: 'https://id.acme.test', AUTH_AUDIENCE: 'Users' };
    expect(read({ SESSION_HOURS: '2', SESSION_IDLE_HOURS: '1', PASSWORD_WORDS: 'Bluebird, the', ...other })).toEqual({
      sessionLifetime: { maxMs: 7_200_000, idleMs: 3_600_000 },
      passwordWords: ['bluebird', 'acme', 'test', 'users'],
    });
  });

  it('are refused together with those of the kernel', () => {
    expect(() => read({ SESSION_HOURS: '0', WORKERS: 'many' })).toThrow(
      /SESSION_HOURS is "0", but has to be a whole number of hours from 1 on(.|\n)*WORKERS|WORKERS(.|\n)*SESSION_HOURS is "0"/,
    );
  });
});
