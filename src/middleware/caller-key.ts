import type { Call } from '../cqrs/call.ts';
import { principalOf } from '../cqrs/context-keys.ts';
import { networkOf } from '../cqrs/network.ts';

/** Who to count a call for: its principal, or an anonymous caller's network. Undefined for an anonymous call in this process. */
export function callerKey(call: Call): string | undefined {
  const { id } = principalOf(call);
  if (id !== '') return `principal ${id}`;
  const { peer } = call.origin;
  return peer === '' ? undefined : `address ${networkOf(peer)}`;
}
