import { Code } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { Code as ContractCode } from '#gen/cqrs/v1/errors_pb.js';
import { domainError } from '../../../src/kernel/bus/errors.ts';
import { codeName } from '../../../src/kernel/telemetry/code-name.ts';
import { Reason, ReasonSchema } from '../../gen/conformance/v1/conformance_pb.js';

describe('domainError', () => {
  class Missing extends domainError(ReasonSchema, Reason.MISSING) {}

  it('takes reason, domain and code from the contract', () => {
    const { reason, domain, code, name, message } = new Missing('nothing is there');
    expect({ reason, domain, code, name, message }).toEqual({
      reason: 'MISSING',
      domain: 'conformance.v1',
      code: Code.NotFound,
      name: 'Missing',
      message: 'nothing is there',
    });
  });

  it('keeps the cause', () => {
    const cause = new Error('because');
    expect(new Missing('nothing is there', { cause }).cause).toBe(cause);
  });

  it('refuses a reason without a code, by its name and its file', () => {
    expect(() => domainError(ReasonSchema, Reason.UNSPECIFIED)).toThrow(
      'REASON_UNSPECIFIED of conformance.v1.Reason (conformance/v1/conformance.proto) has no code: give it the option (cqrs.v1.failure)',
    );
  });

  it('is told from an error with another reason by the type check', () => {
    class Failed extends domainError(ReasonSchema, Reason.FAILURE) {}
    // @ts-expect-error another reason
    const error: Failed = new Missing();
    expect(error).not.toBeInstanceOf(Failed);
  });
});

describe('the codes of contracts', () => {
  it('have the names and numbers of gRPC', () => {
    const ofContracts = Object.entries(ContractCode).filter(([, code]) => typeof code === 'number' && code !== 0);
    const ofConnect = Object.values(Code).filter((code) => typeof code === 'number');
    expect(ofContracts).toEqual(ofConnect.map((code) => [codeName(code), code]));
  });
});
