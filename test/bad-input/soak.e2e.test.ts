import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';

const SOAK = resolve(import.meta.dirname, '../../bench/soak/main.ts');

it('two thousand generated requests, over every protocol, end as planned', async () => {
  const options = ['--requests', '2000', '--warm-up', '0', '--seed', '1'];
  const env = { ...process.env, NODE_OPTIONS: '' };
  const { stdout } = await promisify(execFile)(process.execPath, [SOAK, ...options], { env }).catch((error) => error);
  expect(stdout).toMatch(/\n0 unplanned, 0 hung, 0 errors in the log\n$/);
  const [, protocols = '', ok = ''] = /\n( .*)\n(OK .*)\n/.exec(stdout) ?? [];
  expect(protocols.trim().split(/ {2,}/).toSorted()).toEqual([
    ...['Connect, HTTP/1.1', 'Connect, HTTP/2', 'Connect, as clients do'],
    ...['gRPC', 'gRPC, as clients do', 'gRPC, raw frames'],
    ...['gRPC-Web, HTTP/1.1', 'gRPC-Web, HTTP/2', 'gRPC-Web, as clients do'],
  ]);
  // Of those that stock clients send, many come all the way through.
  expect(Math.max(...ok.split(/ {2,}/).slice(1).map(Number))).toBeGreaterThan(10);
});
