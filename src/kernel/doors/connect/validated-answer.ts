import { hash } from 'node:crypto';
import { type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { cache, Scope } from '#gen/cqrs/v1/cache_pb.js';

/** What is about the one call. A cache would give it to the callers after, to whom it says what is not so. */
const OF_ONE_CALL = ['cqrs-consistency-token', 'cqrs-staleness-ms', 'cqrs-served-by', 'traceparent'];

/** Whether answers of the rpc to a GET may be kept by caches on the way: those that its contract lets the service keep. */
export const mayBeKept = (method: DescMethod): boolean => hasOption(method, cache);

/**
 * The answer to a GET as caches on the way may keep it (RFC 9111): they ask the service each time whether it still is what it was, so that the access rule is
 * checked and events are heard of. `ifNoneMatch` is what they have: when it is this, the answer is 304 and has no body (RFC 9110, 13.1.2).
 */
export async function validatedAnswer(
  { status, header, body }: UniversalServerResponse,
  { method, ifNoneMatch }: { method: DescMethod; ifNoneMatch: string | undefined },
): Promise<UniversalServerResponse> {
  const bytes = Buffer.concat(await Array.fromAsync(body ?? []));
  const tag = `"${hash('sha256', bytes, 'base64url').slice(0, 22)}"`;
  const headers = new Headers(header);
  for (const name of OF_ONE_CALL) headers.delete(name);
  headers.set('etag', tag);
  headers.append('vary', 'authorization, accept-encoding');
  if (getOption(method, cache).scope === Scope.ALL) {
    headers.set('cache-control', 'no-cache');
    // nginx keeps nothing that is to be asked for each time, unless it is told that it has run out at once.
    headers.set('x-accel-expires', '@1');
  } else headers.set('cache-control', 'private, no-cache');
  if (!names(ifNoneMatch, tag)) return { status, header: headers, body: only(bytes) };
  for (const name of ['content-type', 'content-length', 'content-encoding']) headers.delete(name);
  return { status: 304, header: headers };
}

/** Whether the header lists the tag. A weak one is as good here. */
function names(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag);
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
