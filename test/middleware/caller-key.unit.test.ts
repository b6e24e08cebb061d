import { describe, expect, it } from '@jest/globals';
import { principalKey } from '../../src/cqrs/context-keys.ts';
import { ANONYMOUS } from '../../src/cqrs/principal.ts';
import { callerKey, networkOf } from '../../src/middleware/caller-key.ts';
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

describe('networkOf', () => {
  it.each([
    ['192.0.2.1:4711', '192.0.2.1'],
    ['::ffff:192.0.2.1:4711', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6:4711', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2:3:4:5:6]:4711', '2001:db8:1:2::/64'],
    ['2001:db8:0001:2::1:4711', '2001:db8:1:2::/64'],
    ['::1:4711', '0:0:0:0::/64'],
    ['fe80::1%eth0:4711', 'fe80:0:0:0::/64'],
    ['unknown', 'unknown'],
  ])('%s is %s', (peer, network) => {
    expect(networkOf(peer)).toBe(network);
  });
});
