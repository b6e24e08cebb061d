import { describe, expect, it } from '@jest/globals';
import { networkOf } from '../../../src/kernel/bus/network.ts';

describe('networkOf', () => {
  it.each([
    ['192.0.2.1:4711', '192.0.2.1'],
    ['::ffff:192.0.2.1:4711', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6:4711', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2:3:4:5:6]:4711', '2001:db8:1:2::/64'],
    ['2001:db8:0001:2::1:4711', '2001:db8:1:2::/64'],
    ['::1:4711', '0:0:0:0::/64'],
    ['fe80::1%eth0:4711', 'fe80:0:0:0::/64'],
    ['[2001:db8:1:2::1]', '2001:db8:1:2::/64'],
    ['192.0.2.1', '192.0.2.1'],
    ['unknown', 'unknown'],
  ])('%s is %s', (peer, network) => {
    expect(networkOf(peer)).toBe(network);
  });
});
