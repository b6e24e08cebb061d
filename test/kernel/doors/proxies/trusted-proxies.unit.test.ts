import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ForwardedHeader } from '../../../../src/kernel/doors/proxies/forwarded.ts';
import { parseNetworks, TrustedProxies } from '../../../../src/kernel/doors/proxies/trusted-proxies.ts';

const proxies = (header: ForwardedHeader) =>
  new TrustedProxies({ networks: ['10.0.0.0/8', '2001:db8:ffff::/48', '192.0.2.1'], header, proxyProtocol: false });

/** What a caller could try: pieces of what the headers are made of, in any order. */
const piecesOf = (maxLength: number) =>
  fc
    .array(fc.oneof(fc.constantFrom('for=', '1.2.3.4', '"', '\\', ',', ';', ' ', '[', ']', '='), fc.string({ maxLength: 5 })), {
      maxLength,
    })
    .map((pieces) => pieces.join(''));

describe('the caller behind trusted proxies', () => {
  it.each([
    ['nobody else', '10.0.0.1:40000', undefined, '10.0.0.1:40000'],
    ['one caller', '10.0.0.1:40000', '203.0.113.7', '203.0.113.7'],
    ['one with a port', '10.0.0.1:40000', '203.0.113.7:1234', '203.0.113.7'],
    ['a second proxy', '10.0.0.1:40000', '203.0.113.7, 10.9.9.9', '203.0.113.7'],
    ['what the caller wrote itself', '10.0.0.1:40000', '1.2.3.4, 203.0.113.7, 10.9.9.9', '203.0.113.7'],
    ['proxies alone', '10.0.0.1:40000', '10.1.1.1, 10.2.2.2', '10.1.1.1'],
    ['a caller in IPv6', '10.0.0.1:40000', '2001:db8::7', '[2001:db8::7]'],
    ['a proxy in IPv6', '2001:db8:ffff::1:40000', '203.0.113.7', '203.0.113.7'],
    ['a proxy in IPv4 on a socket of IPv6', '::ffff:10.0.0.1:40000', '203.0.113.7', '203.0.113.7'],
    ['a caller that says so itself', '203.0.113.9:40000', '198.51.100.1', '203.0.113.9:40000'],
    ['what is no address', '10.0.0.1:40000', 'unknown', '10.0.0.1:40000'],
    ['what is no address behind a proxy', '10.0.0.1:40000', '203.0.113.7, nonsense, 10.9.9.9', '10.9.9.9'],
    ['empty elements', '10.0.0.1:40000', '203.0.113.7,', '10.0.0.1:40000'],
  ])('X-Forwarded-For names %s', (_, connection, value, caller) => {
    expect(proxies('x-forwarded-for').callerOf(connection, value)).toBe(caller);
  });

  it.each([
    ['for=203.0.113.7', '203.0.113.7'],
    ['For="[2001:db8:cafe::17]:4711"', '[2001:db8:cafe::17]'],
    ['for=203.0.113.7;proto=http;by=10.0.0.1', '203.0.113.7'],
    ['for=1.2.3.4, for=203.0.113.7;host="a,b;c", proto=https;for=10.9.9.9', '203.0.113.7'],
    ['for=unknown', '10.0.0.1:40000'],
    ['for=_hidden, for=10.9.9.9', '10.9.9.9'],
    ['by=203.0.113.7', '10.0.0.1:40000'],
    ['for="203.0.113.7', '10.0.0.1:40000'],
    ['for="1.2.3.4, for=203.0.113.7"', '10.0.0.1:40000'],
    ['for=1.2.3.4;x=", for="203.0.113.7"', '10.0.0.1:40000'],
    ['for=1.2.3.4;x="\\, for="203.0.113.7"', '10.0.0.1:40000'],
  ])('Forwarded: %s', (value, caller) => {
    expect(proxies('forwarded').callerOf('10.0.0.1:40000', value)).toBe(caller);
  });

  it('never is what a caller wrote, whatever that is', () => {
    const headers: ForwardedHeader[] = ['forwarded', 'x-forwarded-for'];
    fc.assert(
      fc.property(fc.constantFrom(...headers), piecesOf(20), fc.boolean(), (header, written, quoted) => {
        const added = header === 'forwarded' ? `for=${quoted ? '"203.0.113.7"' : '203.0.113.7'}` : '203.0.113.7';
        const caller = proxies(header).callerOf('10.0.0.1:40000', `${written}, ${added}`);
        expect(['203.0.113.7', '10.0.0.1:40000']).toContain(caller);
      }),
      { numRuns: 2000 },
    );
  });

  it('is what the PROXY protocol said, for as long as the connection lasts', () => {
    const trusted = proxies('x-forwarded-for');
    const forget = trusted.announce('10.0.0.1:40000', '203.0.113.7:1234');
    expect(trusted.callerOf('10.0.0.1:40000', '198.51.100.1')).toBe('203.0.113.7:1234');
    forget();
    expect(trusted.callerOf('10.0.0.1:40000', '198.51.100.1')).toBe('198.51.100.1');
  });
});

describe('parseNetworks', () => {
  it.each(['10.0.0.0/8', '10.0.0.1', '::1', '2001:db8::/32', '0.0.0.0/0'])('takes %s', (network) => {
    expect(parseNetworks([network])).toBeDefined();
  });

  it.each(['10.0.0.0/33', '10.0.0', 'proxy.example.org', '2001:db8::/129', '10.0.0.0/', '/8', ''])(
    'does not take %j',
    (network) => {
      expect(parseNetworks([network])).toBeUndefined();
    },
  );
});
