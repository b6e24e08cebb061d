import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LogSchema } from '#gen/operations/v1/query_service_pb.js';
import { UNSEALED_TAIL, type UnsealedRow } from '../../../kernel/command-log/seals/unsealed-tail.ts';
import type { MarkHolder } from '../../../kernel/database/mark-holder.ts';
import { durationOf } from './duration-of.ts';
import { statement } from './statement.ts';

export const unsealedTail = statement<UnsealedRow>(UNSEALED_TAIL);

export const toLog = ({ records, age }: UnsealedRow, heldUpBy: MarkHolder | undefined): MessageInitShape<typeof LogSchema> => ({
  unsealedRecords: BigInt(records),
  unsealed: durationOf(age),
  ...(heldUpBy && { heldUpBy: toHolder(heldUpBy) }),
});

const toHolder = ({ pid = 0, prepared = '', database, user, seconds }: MarkHolder) => ({
  pid,
  prepared,
  database,
  user,
  open: durationOf(seconds),
});
