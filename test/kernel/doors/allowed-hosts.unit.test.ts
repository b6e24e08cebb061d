import { describe, expect, it } from '@jest/globals';
import { allowsHost, isLocalHost, parseAllowedHosts } from '../../../src/kernel/doors/allowed-hosts.ts';

describe('parseAllowedHosts', () => {
  it.each([
    ['api.example.org, *.Example.org', ['api.example.org', '*.example.org']],
    ['*', ['*']],
    ['[::1],127.0.0.1', ['[::1]', '127.0.0.1']],
  ])('reads %s', (text, names) => {
    expect(parseAllowedHosts(text)).toEqual(names);
  });

  it.each(['api.example.org:8080', 'https://api.example.org', 'a b', ',', 'api.*.org'])('does not take %s', (text) => {
    expect(parseAllowedHosts(text)).toBeUndefined();
  });
});

describe('allowsHost', () => {
  it.each([
    [['api.example.org'], 'api.example.org', true],
    [['api.example.org'], 'API.example.org:8080', true],
    [['api.example.org'], 'api.example.org.', true],
    [['api.example.org'], 'api.example.org.evil.test', false],
    [['api.example.org'], 'evil.test', false],
    [['*.example.org'], 'a.b.example.org', true],
    [['*.example.org'], 'example.org', false],
    [['*.example.org'], '.example.org', false],
    [['*.example.org'], 'evilexample.org', false],
    [['[::1]'], '[::1]:8080', true],
    [['*'], 'any.test', true],
    [['api.example.org'], '', false],
  ])('%j and %j: %j', (allowed, host, expected) => {
    expect(allowsHost(allowed, host)).toBe(expected);
  });
});

describe('isLocalHost', () => {
  it.each(['localhost', 'localhost:8080', 'app.localhost', '127.0.0.1:8080', '[::1]:8080', '10.0.0.7'])('%s is', (host) => {
    expect(isLocalHost(host)).toBe(true);
  });

  it.each(['', 'evil.test', 'localhost.evil.test:8080', '127.0.0.1.evil.test', 'evillocalhost'])('%s is not', (host) => {
    expect(isLocalHost(host)).toBe(false);
  });
});
