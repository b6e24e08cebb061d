import { describe, expect, it } from '@jest/globals';
import { ConfigError } from '../../src/kernel/config/config-error.ts';
import { readDatabaseConfig } from '../../src/kernel/config/database.ts';
import { DEFAULT_LIMITS } from '../../src/kernel/config/limits.ts';
import { readConfig } from '../../src/kernel/config.ts';

const problemsOf = (environment: Record<string, string>): string => {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return '';
};

describe('readDatabaseConfig', () => {
  it('asks for no key', () => {
    expect(readDatabaseConfig({ DATABASE_URL: 'postgresql://owner@db/x' })).toMatchObject({
      kind: 'external',
      owner: { connectionString: 'postgresql://owner@db/x' },
    });
    expect(() => readDatabaseConfig({ DATABASE_URL: 'db' })).toThrow('DATABASE_URL has to be a URL');
  });
});

describe('readConfig', () => {
  it('needs nothing', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      grpcAddress: '127.0.0.1:50051',
      httpAddress: '127.0.0.1:8080',
      pushesMetrics: false,
      logLevels: { level: 'info', calls: { command: 'info', query: 'info', stream: 'info' } },
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
      LIMIT_DATABASE_CONNECTIONS: '4',
      LIMIT_DATABASE_WAIT_MS: '300',
      RATE_LIMITS: 'sign-up=10/60s,write=off',
      RATE_LIMIT_STORE: 'postgres',
      LIMIT_CONNECTIONS: '50',
      LIMIT_UNFINISHED_MB: '3',
      CONNECTION_IDLE_SECONDS: '70',
      KEEPALIVE_MIN_PING_SECONDS: '5',
    });
    expect(limits).toEqual({
      commandsInFlight: 10,
      queriesInFlight: 15,
      streams: 20,
      databaseConnections: 4,
      databaseWaitMs: 300,
      rates: new Map<string, unknown>([
        ['sign-up', { calls: 10, seconds: 60 }],
        ['write', 'off'],
      ]),
      rateStore: 'postgres',
      edge: { ...DEFAULT_LIMITS.edge, connections: 50, unfinishedBytes: 3 * 1024 * 1024, idleMs: 70_000, minPingMs: 5_000 },
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

  it('looks for the files that the URL of a database names', () => {
    const url = 'postgresql://user:hunter2@db/x?sslmode=verify-full&sslrootcert=/nowhere/ca.pem';
    for (const name of ['DATABASE_URL', 'DATABASE_OWNER_URL', 'DATABASE_REPLICA_URLS']) {
      const problems = problemsOf({ DATABASE_URL: 'postgresql://db/x', AUTH_SIGNING_KEYS: 'k', [name]: url });
      expect(problems).toContain(`${name}: sslrootcert cannot be read: ENOENT`);
      expect(problems).not.toContain('hunter2');
    }
  });

  it('repeats no password', () => {
    expect(problemsOf({ DATABASE_URL: 'mysql://user:hunter2@db', AUTH_SIGNING_KEY_FILE: 'k' })).not.toContain('hunter2');
  });

  it('finds the signing keys in a folder, or one in a file, and not in both', () => {
    expect(readConfig({ DATA_DIR: '/data' }).signingKeys).toEqual({ kind: 'folder', folder: '/data', create: true });
    const folder = { AUTH_SIGNING_KEYS: '/keys' };
    expect(readConfig({ ...folder, DATABASE_URL: 'postgresql://db/x' }).signingKeys).toEqual({
      kind: 'folder',
      folder: '/keys',
      create: false,
    });
    const file = { AUTH_SIGNING_KEY_FILE: '/key.pem' };
    expect(readConfig({ ...file, DATABASE_URL: 'postgresql://db/x' }).signingKeys).toEqual({ kind: 'file', file: '/key.pem' });
    expect(() => readConfig({ ...folder, ...file })).toThrow('AUTH_SIGNING_KEYS and AUTH_SIGNING_KEY_FILE are both set');
    expect(() => readConfig({ DATABASE_URL: 'postgresql://db/x' })).toThrow('AUTH_SIGNING_KEYS is not set; with DATABASE_URL');
  });

  it('takes keys of another issuer over https, and over http from this machine only', () => {
    const others = { AUTH_ISSUER: 'https://issuer.example', AUTH_AUDIENCE: 'users' };
    expect(problemsOf({ ...others, AUTH_JWKS_URL: 'http://issuer.example/jwks' })).toContain('AUTH_JWKS_URL');
    expect(readConfig({ ...others, AUTH_JWKS_URL: 'http://127.0.0.1:1/jwks' }).foreignIssuer?.audience).toBe('users');
  });

  it('refuses settings that would be silently ignored', () => {
    expect(problemsOf({ DATABASE_REPLICA_URLS: 'postgresql://r/app' })).toContain('DATABASE_REPLICA_URLS');
    expect(problemsOf({ TLS_CLIENT_CA_FILE: 'ca.pem' })).toContain('TLS_CLIENT_CA_FILE');
  });

  it('reads hosts and origins, and says what is none', () => {
    expect(readConfig({ ALLOWED_HOSTS: 'api.example.org,*.test', CORS_ORIGINS: 'https://app.example.org' })).toMatchObject({
      allowedHosts: ['api.example.org', '*.test'],
      corsOrigins: ['https://app.example.org'],
    });
    const message = problemsOf({
      ALLOWED_HOSTS: 'api.example.org:443',
      CORS_ORIGINS: '*',
      HEALTH_ADDRESS: '9000',
      REFLECTION: 'yes',
    });
    for (const name of ['ALLOWED_HOSTS', 'CORS_ORIGINS', 'HEALTH_ADDRESS', 'REFLECTION'])
      expect(message).toContain(`${name} is `);
  });

  it('trusts no proxy, and then those that are named', () => {
    expect(readConfig({}).proxies).toBeUndefined();
    expect(
      readConfig({ TRUSTED_PROXIES: '10.0.0.0/8, ::1', FORWARDED_HEADER: 'forwarded', PROXY_PROTOCOL: 'on' }).proxies,
    ).toEqual({
      networks: ['10.0.0.0/8', '::1'],
      header: 'forwarded',
      proxyProtocol: true,
    });
    const bad = problemsOf({ TRUSTED_PROXIES: 'proxy.example.org', FORWARDED_HEADER: 'x-real-ip', PROXY_PROTOCOL: 'v2' });
    for (const name of ['TRUSTED_PROXIES', 'FORWARDED_HEADER', 'PROXY_PROTOCOL']) expect(bad).toContain(`${name} is `);
    expect(problemsOf({ PROXY_PROTOCOL: 'on' })).toContain('TRUSTED_PROXIES is not');
  });
});
