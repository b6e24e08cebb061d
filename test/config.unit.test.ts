import { describe, expect, it } from '@jest/globals';
import { ConfigError, DEFAULT_LIMITS, readConfig } from '../src/config.ts';

const problemsOf = (environment: Record<string, string>): string => {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return '';
};

describe('readConfig', () => {
  it('needs nothing', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      grpcAddress: '127.0.0.1:50051',
      httpAddress: '127.0.0.1:8080',
      logLevel: 'info',
      workers: 1,
      tls: undefined,
    });
    expect(config.database).toMatchObject({ kind: 'embedded', dataDir: expect.stringMatching(/\/\.data$/) });
    expect(config.signingKeys).toMatchObject({ create: true });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('takes an empty variable for an unset one', () => {
    expect(readConfig({ GRPC_ADDRESS: '', DATABASE_URL: '' })).toEqual(readConfig({}));
  });

  it('takes databases of its own elsewhere', () => {
    const { database } = readConfig({
      DATABASE_URL: 'postgresql://writer@db/app',
      DATABASE_REPLICA_URLS: 'postgresql://reader@r1/app, postgresql://reader@r2/app',
      AUTH_SIGNING_KEY_FILE: 'key.pem',
    });
    expect(database).toEqual({
      kind: 'external',
      owner: { connectionString: 'postgresql://writer@db/app' },
      writer: { connectionString: 'postgresql://writer@db/app' },
      replicas: [{ connectionString: 'postgresql://reader@r1/app' }, { connectionString: 'postgresql://reader@r2/app' }],
    });
  });

  it('names every bad variable at once', () => {
    const message = problemsOf({
      GRPC_ADDRESS: 'here',
      HTTP_ADDRESS: '127.0.0.1:99999',
      DATABASE_URL: 'mysql://db',
      AUTH_JWKS_URL: 'https://issuer.example/jwks',
      TLS_KEY_FILE: 'key.pem',
      LOG_LEVEL: 'loud',
      WORKERS: '17',
    });
    for (const name of [
      'GRPC_ADDRESS',
      'HTTP_ADDRESS',
      'DATABASE_URL',
      'AUTH_SIGNING_KEY_FILE',
      'AUTH_ISSUER',
      'AUTH_AUDIENCE',
      'TLS_CERT_FILE',
      'LOG_LEVEL',
      'WORKERS',
    ]) {
      expect(message).toContain(name);
    }
  });

  it('takes tokens of another issuer by type and age', () => {
    const issuer = { AUTH_JWKS_URL: 'https://i.example/k', AUTH_ISSUER: 'https://i.example', AUTH_AUDIENCE: 'us' };
    expect(readConfig(issuer).foreignIssuer).toMatchObject({ tokenType: 'at+jwt', maxAgeMs: 3_600_000 });
    const set = readConfig({ ...issuer, AUTH_TOKEN_TYPE: 'JWT', AUTH_TOKEN_MINUTES: '5' });
    expect(set.foreignIssuer).toMatchObject({ tokenType: 'JWT', maxAgeMs: 300_000 });
    expect(problemsOf({ ...issuer, AUTH_TOKEN_TYPE: 'a b' })).toContain('AUTH_TOKEN_TYPE');
    for (const minutes of ['0', '-1', '44641', 'x']) {
      expect(problemsOf({ ...issuer, AUTH_TOKEN_MINUTES: minutes })).toContain('AUTH_TOKEN_MINUTES');
    }
    expect(problemsOf({ AUTH_TOKEN_TYPE: 'JWT' })).toContain('AUTH_TOKEN_TYPE is set, but AUTH_ISSUER is not');
  });

  it('takes limits, and says how bad ones should be', () => {
    expect(readConfig({}).limits).toEqual(DEFAULT_LIMITS);
    const { limits } = readConfig({
      LIMIT_COMMANDS_IN_FLIGHT: '10',
      LIMIT_QUERIES_IN_FLIGHT: '15',
      LIMIT_STREAMS: '20',
      LIMIT_DATABASE_WAIT_MS: '300',
      RATE_LIMITS: 'sign-up=10/60s,write=off',
      RATE_LIMIT_STORE: 'postgres',
    });
    expect(limits).toEqual({
      commandsInFlight: 10,
      queriesInFlight: 15,
      streams: 20,
      databaseWaitMs: 300,
      rates: new Map<string, unknown>([
        ['sign-up', { calls: 10, seconds: 60 }],
        ['write', 'off'],
      ]),
      rateStore: 'postgres',
    });
    const bad = {
      LIMIT_COMMANDS_IN_FLIGHT: '0',
      LIMIT_QUERIES_IN_FLIGHT: '-1',
      LIMIT_STREAMS: 'many',
      LIMIT_DATABASE_WAIT_MS: '1s',
      RATE_LIMITS: 'write',
      RATE_LIMIT_STORE: 'redis',
    };
    const message = problemsOf(bad);
    for (const name of Object.keys(bad)) expect(message).toContain(name);
  });

  it('takes from 1 to 16 workers', () => {
    expect(readConfig({ WORKERS: '16' }).workers).toBe(16);
    for (const WORKERS of ['0', '-1', '1.5', '0x2', 'two']) expect(problemsOf({ WORKERS })).toContain('WORKERS');
  });

  it('repeats no password', () => {
    expect(problemsOf({ DATABASE_URL: 'mysql://user:hunter2@db', AUTH_SIGNING_KEY_FILE: 'k' })).not.toContain('hunter2');
  });

  it('takes keys of another issuer over https, and over http from this machine only', () => {
    const others = { AUTH_ISSUER: 'https://issuer.example', AUTH_AUDIENCE: 'users' };
    expect(problemsOf({ ...others, AUTH_JWKS_URL: 'http://issuer.example/jwks' })).toContain('AUTH_JWKS_URL');
    expect(readConfig({ ...others, AUTH_JWKS_URL: 'http://127.0.0.1:1/jwks' }).foreignIssuer?.audience).toBe('users');
    expect(problemsOf({ ...others, AUTH_ISSUER: 'bicameral', AUTH_JWKS_URL: 'https://issuer.example/jwks' })).toContain(
      'AUTH_ISSUER',
    );
  });

  it('refuses settings that would be silently ignored', () => {
    expect(problemsOf({ DATABASE_REPLICA_URLS: 'postgresql://r/app' })).toContain('DATABASE_REPLICA_URLS');
    expect(problemsOf({ TLS_CLIENT_CA_FILE: 'ca.pem' })).toContain('TLS_CLIENT_CA_FILE');
  });
});
