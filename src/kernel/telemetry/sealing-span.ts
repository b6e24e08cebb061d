import { ATTRIBUTE } from './attributes.ts';
import { inOwnTrace } from './spans.ts';

/** The span of a round of the sealer, in a trace of its own, with how many records it sealed. */
export function sealingSpan(sealing: () => Promise<number>): Promise<number> {
  return inOwnTrace('seal the log', {}, async (span) => {
    const records = await sealing();
    span?.setAttribute(ATTRIBUTE.sealed, records);
    return records;
  });
}
