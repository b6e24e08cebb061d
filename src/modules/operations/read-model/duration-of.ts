import type { MessageInitShape } from '@bufbuild/protobuf';
import { type DurationSchema, durationFromMs } from '@bufbuild/protobuf/wkt';

/** To the millisecond. By the clocks of two machines an age can be negative: it is 0 then. */
export const durationOf = (seconds: number): MessageInitShape<typeof DurationSchema> =>
  durationFromMs(Math.round(1000 * Math.max(0, seconds)));
