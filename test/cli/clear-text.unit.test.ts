import { describe, expect, it } from '@jest/globals';
import { clearTextWarning } from '../../src/cli/clear-text.ts';
import { readConfig } from '../../src/kernel/config.ts';

const warned = (environment: Record<string, string>) => clearTextWarning(readConfig(environment));

describe('clear text', () => {
  it('is warned of, by the variables and with the remedy, where other machines reach it', () => {
    for (const host of ['0.0.0.0', '[::]', '10.0.0.7', 'api.example.org']) {
      expect(warned({ GRPC_ADDRESS: `${host}:50051` })).toMatch(/^GRPC_ADDRESS can be reached .*TLS_CERT_FILE.*TRUSTED_PROXIES/);
      expect(warned({ HTTP_ADDRESS: `${host}:8080` })).toMatch(/^HTTP_ADDRESS can be reached /);
    }
    expect(warned({ GRPC_ADDRESS: '0.0.0.0:1', HTTP_ADDRESS: '0.0.0.0:2' })).toMatch(/^GRPC_ADDRESS and HTTP_ADDRESS can be/);
  });

  it('is not on loopback, with TLS, and behind a proxy', () => {
    expect(warned({})).toBeUndefined();
    expect(warned({ GRPC_ADDRESS: '[::1]:50051', HTTP_ADDRESS: 'localhost:8080' })).toBeUndefined();
    const open = { GRPC_ADDRESS: '0.0.0.0:50051' };
    expect(warned({ ...open, TLS_CERT_FILE: 'cert.pem', TLS_KEY_FILE: 'key.pem' })).toBeUndefined();
    expect(warned({ ...open, TRUSTED_PROXIES: '10.0.0.0/8' })).toBeUndefined();
  });
});
