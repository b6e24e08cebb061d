import { describe, expect, it } from '@jest/globals';
import { principalKey } from '../../src/cqrs/context-keys.ts';
import { ANONYMOUS } from '../../src/cqrs/principal.ts';
import { callerKey } from '../../src/middleware/caller-key.ts';
import { CommandService } from '../gen/conformance/v1/conformance_pb.js';
import { callTo } from './test-call.ts';

describe('callerKey', () => {
  it('is the principal, wherever it calls from', () => {
    const call = callTo(CommandService.method.echo);
    call.contextValues.set(principalKey, { ...ANONYMOUS, id: 'ada' });
    expect(callerKey(call)).toBe('principal ada');
  });

  it('is the address of an anonymous caller, without its port', () => {
    expect(callerKey(callTo(CommandService.method.echo))).toBe('address 192.0.2.1');
  });

  it('is nothing for an anonymous caller in this process', () => {
    const call = callTo(CommandService.method.echo);
    expect(callerKey(Object.assign(call, { origin: { ...call.origin, peer: '' } }))).toBeUndefined();
  });
});
