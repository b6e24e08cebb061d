import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DatabaseSchema } from '#gen/operations/v1/query_service_pb.js';
import type { DatabaseState } from '../../../kernel/database/read/read-side.ts';
import { durationOf } from './duration-of.ts';

export const toDatabase = ({ name, isUp, lag }: DatabaseState): MessageInitShape<typeof DatabaseSchema> => ({
  name,
  up: isUp,
  ...(lag && { lagBytes: BigInt(lag.bytes), lag: durationOf(lag.seconds) }),
});
