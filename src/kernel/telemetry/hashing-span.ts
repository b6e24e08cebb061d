import { ATTRIBUTE } from './attributes.ts';
import { inSpan } from './spans.ts';

/** The span of a password that is hashed or compared, with how long it waited for its turn. */
export function hashingSpan<T>(work: (begun: () => void) => Promise<T>): Promise<T> {
  const started = performance.now();
  return inSpan('hash a password', {}, (span) =>
    work(() => span?.setAttribute(ATTRIBUTE.hashWait, Math.round((performance.now() - started) * 10) / 10)),
  );
}
