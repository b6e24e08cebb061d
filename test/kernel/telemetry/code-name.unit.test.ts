import { status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { codeName } from '../../../src/kernel/telemetry/code-name.ts';

describe('code name', () => {
  it('is the one of gRPC for every code', () => {
    for (let code = 1; code <= 16; code++) expect(codeName(code)).toBe(status[code]);
  });

  it('is OK when there was no error', () => {
    expect(codeName(undefined)).toBe('OK');
  });
});
