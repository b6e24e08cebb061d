import { hash } from 'node:crypto';
import { type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import { cache, Scope } from '#gen/cqrs/v1/cache_pb.js';
import type { Exchange } from './http-route.ts';

/** Has the answer to a GET be one that caches on the way may keep. True when the caller has it already. */
export type Validate = (exchange: Exchange, body: Uint8Array) => boolean;

/** What is about the one call. A cache would give it to the callers after, to whom it says what is not so. */
const OF_ONE_CALL = ['cqrs-consistency-token', 'cqrs-staleness-ms', 'cqrs-served-by', 'traceparent'];

/** Undefined for an rpc whose answers to a GET no cache on the way may keep: they may where its contract lets the service keep them. */
export function validation(method: DescMethod): Validate | undefined {
  if (!hasOption(method, cache)) return undefined;
  const control = CONTROL[getOption(method, cache).scope === Scope.ALL ? 'all' : 'one'];
  return ({ request, response }, body) => {
    for (const name of OF_ONE_CALL) response.removeHeader(name);
    const tag = `"${hash('sha256', body, 'base64url').slice(0, 22)}"`;
    response.setHeader('etag', tag);
    for (const name in control) response.setHeader(name, control[name] ?? '');
    const vary = response.getHeader('vary');
    response.setHeader('vary', ['authorization, accept-encoding', ...(vary === undefined ? [] : [vary].flat())].join(', '));
    return names(request.headers['if-none-match'], tag);
  };
}

/**
 * Caches ask the service each time whether the answer still is what it was (RFC 9111), so that the access rule is checked and events are heard of. nginx
 * keeps nothing that is to be asked for each time, unless it is told that it has run out at once.
 */
const CONTROL: Readonly<Record<'all' | 'one', Readonly<Record<string, string>>>> = {
  all: { 'cache-control': 'no-cache', 'x-accel-expires': '@1' },
  one: { 'cache-control': 'private, no-cache' },
};

/** Whether the header lists the tag (RFC 9110, 13.1.2). A weak one is as good here. */
function names(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag);
}
