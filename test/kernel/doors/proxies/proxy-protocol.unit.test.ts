import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseProxyHeader } from '../../../../src/kernel/doors/proxies/proxy-protocol.ts';
import { proxyV2 } from '../../../support/proxy-header.ts';

const text = (line: string): Buffer => Buffer.from(line, 'latin1');
const TCP6 = Buffer.from(
  '20010db8000000000000000000000007 20010db8000000000000000000000001 04d2 01bb'.replaceAll(' ', ''),
  'hex',
);

describe('parseProxyHeader', () => {
  it.each<[string, Buffer, string | undefined]>([
    ['TCP4', text('PROXY TCP4 203.0.113.7 10.0.0.1 1234 443\r\n'), '203.0.113.7:1234'],
    ['TCP6', text('PROXY TCP6 2001:db8::7 2001:db8::1 1234 443\r\n'), '2001:db8::7:1234'],
    ['UNKNOWN', text('PROXY UNKNOWN\r\n'), undefined],
    ['UNKNOWN with addresses', text('PROXY UNKNOWN 1 2 3 4\r\n'), undefined],
    ['version 2, TCP4', proxyV2('203.0.113.7', 1234), '203.0.113.7:1234'],
    ['version 2 with additions', proxyV2('203.0.113.7', 1234, Buffer.alloc(100)), '203.0.113.7:1234'],
    ['version 2, TCP6', proxyV2(TCP6, 0x21), '2001:db8::7:1234'],
    ['version 2, a probe', proxyV2(Buffer.alloc(0), 0x00, 0x20), undefined],
    ['version 2, a UNIX socket', proxyV2(Buffer.alloc(216), 0x31), undefined],
  ])('reads %s, and what follows is not of it', (_, header, source) => {
    const bytes = Buffer.concat([header, text('GET / HTTP/1.1\r\n')]);
    expect(parseProxyHeader(bytes)).toEqual({ source, length: header.length });
    for (let end = 0; end < header.length; end += 1) expect(parseProxyHeader(header.subarray(0, end))).toBe('more');
  });

  it.each<[string, Buffer]>([
    ['HTTP/1.1', text('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['HTTP/2', text('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['TLS', Buffer.from('1603010200010001fc0303', 'hex')],
    ['addresses of another family', text('PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n')],
    ['an address that is none', text('PROXY TCP4 999.0.0.1 10.0.0.1 1 2\r\n')],
    ['a port that is none', text('PROXY TCP4 203.0.113.7 10.0.0.1 99999 2\r\n')],
    ['UDP', text('PROXY UDP4 203.0.113.7 10.0.0.1 1 2\r\n')],
    ['a line that does not end', text(`PROXY TCP4 ${'1'.repeat(200)}`)],
    ['another version', proxyV2(Buffer.alloc(12), 0x11, 0x31)],
    ['another command', proxyV2(Buffer.alloc(12), 0x11, 0x2f)],
    ['too few addresses', proxyV2(Buffer.alloc(11), 0x11)],
    ['a length of 64 KiB', Buffer.concat([proxyV2(Buffer.alloc(12), 0x11).subarray(0, 14), Buffer.from([0xff, 0xff])])],
  ])('takes %s for none', (_, bytes) => {
    expect(parseProxyHeader(bytes)).toBe('none');
  });

  it('survives any bytes', () => {
    const beginnings = [text('PROXY '), text('PROXY TCP4 '), proxyV2(Buffer.alloc(0), 0x11).subarray(0, 12), Buffer.alloc(0)];
    fc.assert(
      fc.property(fc.constantFrom(...beginnings), fc.uint8Array({ maxLength: 300 }), (beginning, rest) => {
        const parsed = parseProxyHeader(Buffer.concat([beginning, rest]));
        if (typeof parsed === 'object') expect(parsed.length).toBeLessThanOrEqual(beginning.length + rest.length);
      }),
    );
  });
});
